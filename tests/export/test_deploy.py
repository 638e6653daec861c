"""The deployment files: each by the schema of whoever reads it, and all of them by each other."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format, wrappers_pb2
from google.protobuf.message import Message
from support.paths import REPOSITORY
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from hrs_keras.export.signatures import MAX_PIXELS

DEPLOY = REPOSITORY / "deploy"
DOCS = REPOSITORY / "docs/serving.md"
COMPOSE, COMPOSE_GPU = DEPLOY / "compose.yaml", DEPLOY / "compose.gpu.yaml"
KUBERNETES, GPU_PATCH, LOADER = (DEPLOY / f"kubernetes{part}.yaml" for part in ("", ".gpu.patch", ".loader"))
KUBERNETES_VERSIONS = ("1.28", "1.33")

# Messages that tensorflow-serving-api has no module for, as session_bundle_config.proto and monitoring_config.proto
# define them. The server refuses to start on a field that it does not know.
PROTO = {
    "BatchingParameters": {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "allowed_batch_sizes": "repeated int64",
        "pad_variable_length_inputs": "bool",
        "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    },
    "PrometheusConfig": {"enable": "bool", "path": "string"},
    "MonitoringConfig": {"prometheus_config": "PrometheusConfig"},
}


def message_class(name: str) -> type[Message]:
    """One of :data:`PROTO`."""
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="serving", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for described, fields in PROTO.items():
        definition = file.message_type.add(name=described)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            *repeated, kind = kind.split()
            added = definition.field.add(name=field, number=number, label="LABEL_REPEATED" if repeated else None)
            if kind[0].islower():
                added.type = f"TYPE_{kind.upper()}"
            else:
                added.type_name = f".serving.{kind}" if kind in PROTO else f".google.protobuf.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"serving.{name}"))


CONFIGS: dict[str, type[Message]] = {
    "models.config": ModelServerConfig,
    "batching.config": message_class("BatchingParameters"),
    "monitoring.config": message_class("MonitoringConfig"),
}


def config(name: str) -> Any:
    return text_format.Parse((DEPLOY / name).read_text(), CONFIGS[name]())


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def resources(path: Path) -> dict[str, dict]:
    """Kind -> the one resource of that kind."""
    documents = list(yaml.safe_load_all(path.read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents)
    return by_kind


def merged(base: Any, change: Any) -> Any:
    """What compose and kustomize make of a file and its override; lists are joined by ``name``, else replaced."""
    if isinstance(base, list) and all(isinstance(one, dict) and "name" in one for one in base):
        named = merged(*({one["name"]: one for one in many} for many in (base, change)))
        return list(named.values())
    if not isinstance(base, dict):
        return change
    return base | {key: merged(base[key], value) if key in base else value for key, value in change.items()}


@pytest.fixture(params=["cpu", "gpu"])
def service(request) -> dict:
    """The service that compose starts."""
    change = load(COMPOSE_GPU) if request.param == "gpu" else {}
    (service,) = merged(load(COMPOSE), change)["services"].values()
    return service


@pytest.fixture(params=["cpu", "gpu"])
def deployment(request) -> dict:
    """The Deployment that kubectl applies."""
    return merged(resources(KUBERNETES)["Deployment"], load(GPU_PATCH) if request.param == "gpu" else {})


@pytest.fixture
def pod(deployment) -> dict:
    return deployment["spec"]["template"]["spec"]


def flags(words: list[str]) -> dict[str, str]:
    """The options of ``tensorflow_model_server``."""
    pairs = [re.fullmatch(r"--(\w+)=(\S+)", word).groups() for word in words]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def model() -> Any:
    """The model that is served."""
    (only,) = config("models.config").model_config_list.config
    return only


# ---- the server's own files ------------------------------------------------------------------------------------


def test_models():
    assert model().model_platform == "tensorflow"
    assert PurePosixPath(model().base_path) == PurePosixPath("/models") / model().name
    assert model().model_version_policy.latest.num_versions == 1
    assert not model().version_labels  # a label names a number, and this follows whatever is the highest


def test_batching():
    found = config("batching.config")
    assert found.num_batch_threads.value >= 1 and found.max_batch_size.value >= 1
    assert found.max_enqueued_batches.value >= 1 and found.HasField("batch_timeout_micros")
    assert not found.allowed_batch_sizes or found.allowed_batch_sizes[-1] == found.max_batch_size.value
    assert not found.pad_variable_length_inputs  # would put pixels into images
    assert not found.enable_large_batch_splitting.value  # cannot put class_ids of different sizes together again


@pytest.mark.parametrize(
    "wrong", ["max_batches { value: 4 }", "max_batch_size: 4", "allowed_batch_sizes: 'many'", "batch_timeout_micros {"]
)
def test_batching_is_checked(wrong):
    with pytest.raises(text_format.ParseError):
        text_format.Parse((DEPLOY / "batching.config").read_text() + wrong, CONFIGS["batching.config"]())


def test_monitoring():
    found = config("monitoring.config").prometheus_config
    annotations = resources(KUBERNETES)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert found.enable and annotations["prometheus.io/path"] == found.path


# ---- schemas ---------------------------------------------------------------------------------------------------


def check_compose(*files: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    return subprocess.run(command, capture_output=True, text=True)


def test_compose_files_are_valid(tmp_path):
    both = tmp_path / "both.yaml"
    both.write_text(yaml.safe_dump(merged(load(COMPOSE), load(COMPOSE_GPU))))
    checked = check_compose(COMPOSE, COMPOSE_GPU, both)
    assert checked.returncode == 0, checked.stdout
    misspelt = tmp_path / "misspelt.yaml"
    misspelt.write_text(COMPOSE.read_text().replace("cap_drop", "cap_dropped"))
    checked = check_compose(misspelt)
    assert checked.returncode == 1 and "'cap_dropped'" in checked.stdout


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_files_are_valid(version, deployment):
    every = [*resources(KUBERNETES).values(), *resources(LOADER).values(), deployment]
    assert len(every) == 7
    for resource in every:
        kubernetes_validate.validate(resource, version, strict=True)
    misspelt = json.loads(json.dumps(deployment).replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(misspelt, version, strict=True)


def test_the_gpu_variants_change_what_is_there():
    base, gpu = load(COMPOSE)["services"], load(COMPOSE_GPU)["services"]
    assert gpu.keys() == base.keys()
    assert gpu["serving"]["image"] == base["serving"]["image"] + "-gpu"
    assert load(DEPLOY / "kustomization.yaml") == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [KUBERNETES.name],
        "patches": [{"path": GPU_PATCH.name}],
    }
    deployment, patch = resources(KUBERNETES)["Deployment"], load(GPU_PATCH)
    assert [patch[key] for key in ("apiVersion", "kind")] == [deployment[key] for key in ("apiVersion", "kind")]
    assert patch["metadata"]["name"] == deployment["metadata"]["name"]
    container, changed = (one["spec"]["template"]["spec"]["containers"] for one in (deployment, patch))
    assert [one["name"] for one in changed] == [one["name"] for one in container]
    assert changed[0]["image"] == container[0]["image"] + "-gpu" == gpu["serving"]["image"]
    assert changed[0]["resources"]["limits"] == {"nvidia.com/gpu": 1}


# ---- what runs -------------------------------------------------------------------------------------------------


def test_compose_and_kubernetes_start_the_same_server(service, pod):
    (container,) = pod["containers"]
    assert service["entrypoint"] == container["command"] == ["tensorflow_model_server"]
    assert service["command"] == container["args"]
    images = [one["image"] for one in (service, container, *resources(LOADER)["Pod"]["spec"]["containers"])]
    (image,) = {image.removesuffix("-gpu") for image in images}
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", image)


def test_compose_locks_the_container_up(service):
    user, group = service["user"].split(":")
    assert int(user) > 0 and int(group) > 0
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service
    assert all(volume["type"] == "bind" and volume["read_only"] is True for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_kubernetes_locks_the_containers_up(pod):
    for spec in (pod, resources(LOADER)["Pod"]["spec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert [name for name, mount in mounts.items() if not mount.get("readOnly")] == ["tmp"]
    claim = next(volume for volume in pod["volumes"] if volume["name"] == "models")["persistentVolumeClaim"]
    assert claim["readOnly"] is True


def test_both_give_the_server_the_same_room(service, pod):
    given = service["deploy"]["resources"]["limits"]
    found = pod["containers"][0]["resources"]
    assert (found["limits"]["cpu"], found["limits"]["memory"]) == (given["cpus"], given["memory"].upper() + "i")
    assert found["requests"] == {key: found["limits"][key] for key in ("cpu", "memory")}
    threads = flags(service["command"])
    assert threads["tensorflow_intra_op_parallelism"] == threads["tensorflow_inter_op_parallelism"] == given["cpus"]


def test_the_largest_images_fit_into_the_memory(pod):
    batching, gib = config("batching.config"), 2**30
    answer = 2.3 * 4 * 19 * MAX_PIXELS  # measured, as are those below: docs/serving.md
    batch = answer + batching.max_batch_size.value * 0.45 * gib
    program, versions = 0.6 * gib, 2 * 0.5 * gib
    needed = program + versions + batching.num_batch_threads.value * batch
    limit = re.fullmatch(r"(\d+)Gi", pod["containers"][0]["resources"]["limits"]["memory"])[1]
    assert needed < int(limit) * gib < 2 * needed


def test_what_the_flags_name_is_mounted(service, pod):
    named = {PurePosixPath(value) for key, value in flags(service["command"]).items() if key.endswith("_file")}
    wanted = {*named, PurePosixPath(model().base_path)}
    assert {path.name for path in named} == set(CONFIGS)
    sources = {PurePosixPath(volume["target"]): DEPLOY / volume["source"] for volume in service["volumes"]}
    assert sources[PurePosixPath("/models")].resolve() == REPOSITORY / "saved_models"
    assert all((sources[path.parent] / path.name).is_file() for path in named)
    mounts = {PurePosixPath(mount["mountPath"]): mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert all(path.parent in mounts for path in wanted)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes.keys() == set(mounts.values())
    kept = resources(KUBERNETES)
    for claim in (volumes["models"], *resources(LOADER)["Pod"]["spec"]["volumes"]):
        assert claim["persistentVolumeClaim"]["claimName"] == kept["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == kept["ConfigMap"]["metadata"]["name"]


def test_the_config_map_says_what_the_files_say():
    data = resources(KUBERNETES)["ConfigMap"]["data"]
    assert data.keys() == CONFIGS.keys()
    for name, text in data.items():
        assert text_format.Parse(text, CONFIGS[name]()) == config(name)


def test_the_selectors_select(deployment):
    kept = resources(KUBERNETES)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
    matched = [kept[kind]["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert labels == spread == kept["Service"]["spec"]["selector"] and matched == [labels, labels]
    assert kept["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["spec"]["replicas"]
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    assert rolling["maxUnavailable"] + rolling["maxSurge"] == 1


# ---- ports and health ------------------------------------------------------------------------------------------


def test_ports(service, pod):
    opened = flags(service["command"])
    ports = {"grpc": int(opened["port"]), "rest": int(opened["rest_api_port"])}
    assert [port.split(":")[1:] for port in service["ports"]] == [[str(port)] * 2 for port in ports.values()]
    assert {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]} == ports
    offered = resources(KUBERNETES)["Service"]["spec"]["ports"]
    assert {port["targetPort"]: port["port"] for port in offered} == ports
    annotations = resources(KUBERNETES)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == opened["rest_api_port"]


def test_probes(pod):
    (container,) = pod["containers"]
    status = f"/v1/models/{model().name}"
    wanted = {"startupProbe": status, "readinessProbe": f"{status}/metadata", "livenessProbe": status}
    found = {name: container[name]["httpGet"] for name in wanted}
    assert found == {name: {"path": path, "port": "rest"} for name, path in wanted.items()}
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 300
    # A REST request may take 30 seconds, and others wait behind it.
    assert container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"] > 60
    assert pod["terminationGracePeriodSeconds"] > 30


@contextmanager
def serving(states: dict[int, str]) -> Iterator[int]:
    """The port of an HTTP server that tells the versions' states as TensorFlow Serving does, and keeps connections."""
    status = GetModelStatusResponse()
    for version, state in states.items():
        code = "OK" if state == "AVAILABLE" else "UNAVAILABLE"
        status.model_version_status.add(version=version, state=state).status.error_code = code
    answer = json_format.MessageToJson(status, preserving_proto_field_name=True).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            known = self.path == f"/v1/models/{model().name}" and states
            body = answer if known else b'{ "error": "Could not find any versions of model; none is AVAILABLE" }'
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def health(port: int) -> int:
    """Exit code of the health check of compose.yaml, asking at another port."""
    kind, *command = load(COMPOSE)["services"]["serving"]["healthcheck"]["test"]
    assert kind == "CMD" and "$" not in command[-1]  # which compose would fill in
    opened = flags(load(COMPOSE)["services"]["serving"]["command"])["rest_api_port"]
    assert command[-1].count(opened) == 1
    command[-1] = command[-1].replace(opened, str(port))
    return subprocess.run(command, capture_output=True, timeout=5).returncode


@pytest.mark.parametrize(
    ("states", "healthy"),
    [
        ({1: "AVAILABLE"}, True),
        ({1: "AVAILABLE", 2: "LOADING"}, True),
        ({1: "END", 2: "AVAILABLE"}, True),
        ({1: "LOADING"}, False),
        ({1: "END", 2: "START"}, False),
        ({}, False),
    ],
)
def test_the_health_check(states, healthy):
    with serving(states) as port:
        assert (health(port) == 0) == healthy


@pytest.mark.fault("a server that does not listen", "its health check fails")
def test_the_health_check_of_a_server_that_does_not_listen():
    with serving({1: "AVAILABLE"}) as port:
        pass
    assert health(port) != 0


# ---- training jobs ---------------------------------------------------------------------------------------------

TRAINING_JOB, SLURM_JOB = DEPLOY / "kubernetes.train.yaml", DEPLOY / "train.slurm"


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_pods_of_a_training_job(version):
    job = yaml.safe_load(TRAINING_JOB.read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    replicas = job["spec"]["tfReplicaSpecs"]
    assert set(replicas) == {"Chief", "Worker"} and replicas["Chief"]["replicas"] == 1
    for replica in replicas.values():
        assert replica["restartPolicy"] == "ExitCode"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": replica["template"]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)
        assert [container["name"] for container in pod["spec"]["containers"]] == ["tensorflow"]


def training_container() -> dict[str, Any]:
    job = yaml.safe_load(TRAINING_JOB.read_text())
    (container,) = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize(("code", "told"), [(0, 0), (2, 2), (75, 143)])
def test_the_exit_code_that_asks_for_another_try(tmp_path, code, told):
    """The pod's own script, around something that ends with a code of ours."""
    container = training_container()
    (script,) = container["args"]
    (tmp_path / "python").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "python").chmod(0o755)
    run = subprocess.run(
        [*container["command"], script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, cwd=tmp_path, timeout=30
    )
    assert run.returncode == told


@pytest.mark.fault("a pod that is told to end", "the training saves and ends with exit code 75")
def test_sigterm_reaches_the_training_in_a_pod(tmp_path):
    container = training_container()
    fake = "#!/bin/sh\ntrap 'sleep 0.5; touch saved; exit 75' TERM\ntouch begun\nwhile :; do sleep 0.1; done\n"
    (tmp_path / "python").write_text(fake)
    (tmp_path / "python").chmod(0o755)
    run = subprocess.Popen(
        [*container["command"], *container["args"]], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, cwd=tmp_path
    )
    while not (tmp_path / "begun").exists() and run.poll() is None:
        time.sleep(0.01)
    run.terminate()
    assert run.wait(30) == 143 and (tmp_path / "saved").exists()


# Two tasks, whose training ends as the file `codes` says; as the real one, it gives the largest code of all.
SRUN = """
echo "$1 $2" > options; shift 2; worst=0
for code in $(cat codes); do
    export code; "$@"; ended=$?
    [ $ended -le $worst ] || worst=$ended
done
exit $worst
"""


@pytest.fixture
def slurm(tmp_path):
    """``slurm(codes, restarts)``: the job's exit code, where its two tasks end with ``codes``."""
    commands = {
        "srun": SRUN,
        "scontrol": 'echo "$@" > queued',
        "python": 'printf "%s\\n" "$@" > given; [ $code -lt 128 ] || kill -$((code - 128)) $$; exit $code',
    }
    for name, body in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def run(codes, restarts="0"):
        (tmp_path / "codes").write_text(codes)
        job = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "32", "SLURM_RESTART_COUNT": restarts}
        return subprocess.run(
            ["bash", SLURM_JOB, "recipes/x.yaml", "--fresh", "data.root=/a b"],
            env=job | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
            cwd=tmp_path,
            timeout=30,
        ).returncode

    return run


@pytest.mark.fault("a Slurm job that ends with exit code 75", "it puts itself back into the queue")
@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ("0 0", 0),
        ("75 75", 75),
        ("137 75", 75),
        ("75 143", 75),
        ("142 0", 75),
        ("2 75", 200),
        ("75 1", 200),
        ("75 139", 200),
    ],
)
def test_the_slurm_job_puts_itself_back_into_the_queue(tmp_path, slurm, codes, told):
    assert slurm(codes) == told
    assert (tmp_path / "options").read_text() == "--kill-on-bad-exit=0 --cpus-per-task=32\n"
    assert (tmp_path / "queued").exists() == (told == 75)


def test_the_slurm_job_starts_over_but_once(tmp_path, slurm):
    for restarts, fresh in (("0", ["--fresh"]), ("1", [])):
        slurm("0 0", restarts)
        given = (tmp_path / "given").read_text().splitlines()
        assert given == ["train.py", "recipes/x.yaml", *fresh, "data.root=/a b"]
    assert slurm("75 75", "100") == 75 and not (tmp_path / "queued").exists()  # it does not get any further


def test_sigterm_reaches_the_training_of_a_slurm_task(tmp_path, slurm):
    (tmp_path / "python").write_text(
        "#!/bin/sh\ntrap 'sleep 0.5; touch saved; exit 75' TERM\ntouch begun\nwhile :; do sleep 0.1; done\n"
    )
    script = SLURM_JOB.read_text()
    task = re.search(r"^task='(.*?)'$", script, re.MULTILINE | re.DOTALL)[1]
    run_environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    run = subprocess.Popen(["bash", "-c", task, "task"], env=run_environment, cwd=tmp_path)
    while not (tmp_path / "begun").exists() and run.poll() is None:
        time.sleep(0.01)
    run.terminate()
    assert run.wait(30) == 75 and (tmp_path / "saved").exists()
    # One that comes before there is a training reaches it as soon as there is.
    early = task.replace("\npython", "\nkill -TERM $$\npython")
    assert early != task
    assert subprocess.run(["bash", "-c", early, "task"], env=run_environment, cwd=tmp_path, timeout=30).returncode == 75


# ---- the page about it -----------------------------------------------------------------------------------------


def test_the_configurations_in_the_documentation():
    blocks = re.findall(r"^```proto\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        (described,) = text_format.Parse(block, ModelServerConfig()).model_config_list.config
        assert (described.name, described.base_path) == (model().name, model().base_path)
        loaded = described.model_version_policy.specific.versions
        assert loaded and set(described.version_labels.values()) <= set(loaded)


def test_the_documentation_names_files_that_are_there():
    pages = DOCS.read_text() + (REPOSITORY / "docs/scale.md").read_text()
    named = set(re.findall(r"deploy/[\w.]+[\w]", pages))
    assert {f"deploy/{file.name}" for file in DEPLOY.iterdir()} - {"deploy/kustomization.yaml"} <= named
    assert all((REPOSITORY / name).exists() for name in named)
