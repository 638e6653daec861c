# The image that deploy/kubernetes.train.yaml names: this package, its recipes and train.py.
#
#   docker build --tag hrs-keras:latest .                            # for NVIDIA GPUs
#   docker build --tag hrs-keras:latest --build-arg EXTRAS=video .   # for CPUs, without CUDA's libraries
#   docker run --rm --gpus all -v /data:/data -v /runs:/runs hrs-keras:latest \
#       python train.py recipes/gtav_city.yaml data.root=/data runs=/runs/runs saved_models=/runs/saved_models
#
# It has not been built here: no container runtime is at hand where this package is developed.
FROM python:3.12-slim

# cuda: TensorFlow's own CUDA libraries; only the driver is the host's. Others: video, onnx, openvino, litert (setup.cfg).
ARG EXTRAS=cuda,video

# The container toolkit gives a container the driver's libraries for computing, and nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

WORKDIR /hrs

COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY recipes recipes
COPY hrs_keras hrs_keras
RUN pip install ".[${EXTRAS}]" && rm -rf hrs_keras build *.egg-info

# The installed package is used; recipes and train.py lie here for commands as the documentation writes them.
COPY train.py ./

CMD ["hrs", "--help"]
