"""The ground floor: files, storage, threads, signals and the environment."""
