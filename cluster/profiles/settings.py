"""What a ``[clusters.NAME]`` table may say, one class a kind of cluster."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.settings import Settings, Size


class AdaptiveConfig(Settings):
    """Between how many workers the cluster grows and shrinks with the work."""

    minimum: int = Field(default=1, ge=1)
    """Never fewer."""
    maximum: int = Field(ge=1)
    """Never more."""

    @model_validator(mode="after")
    def _in_order(self) -> "AdaptiveConfig":
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is more than maximum {self.maximum}")
        return self


class _Profile(Settings):
    """What all kinds have in common."""

    about: str = ""
    """A line for whoever lists the profiles."""
    workers: int | None = Field(default=None, ge=1)
    """How many workers; the job file's or `--workers` goes before it."""
    threads: int = Field(default=1, ge=1)
    """Threads of each worker."""
    memory: Size | None = None
    """Memory a worker may use, as in "4GB"."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the workers; `${NAME}` takes a value from the environment of whoever drives the job."""
    start_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds until the first worker must be there."""


class _Started(_Profile):
    """Kinds whose scheduler and workers textmill starts itself."""

    adaptive: AdaptiveConfig | None = None
    """Grow and shrink with the work instead of keeping one number of workers."""
    scratch: str | None = None
    """A folder on each worker's own disk for what does not fit into memory; the job's folder where not given."""


class RemoteProfile(_Started):
    """Kinds whose workers are on other machines."""

    address: str | None = None
    """This machine's address, or its network interface, that workers can reach; found by a look at the routes where
    not given."""
    tls: str | None = None
    """The folder that `textmill cluster init-tls` wrote; keys for this run alone are made where not given."""
    insecure: bool = False
    """Allow plain TCP beyond the loopback address. Whoever can reach a port can then run code as you."""
    python: str | None = None
    """The Python that has textmill, on the workers' machines; the same path as here where not given."""


class LocalProfile(_Started):
    """The cores of the machine at hand, over the loopback address alone."""

    kind: Literal["local"]
    """This kind."""
    processes: bool = True
    """Whether each worker is a process of its own; `false` runs all workers as threads of one process."""


class AddressProfile(_Profile):
    """A scheduler that is running already, with workers of its own.

    [clusters.lab]
    kind = "address"
    address = "tls://10.0.0.5:8786"
    tls = "~/.config/textmill/tls"
    """

    kind: Literal["address"]
    """This kind."""
    address: str = Field(pattern=r"^(tcp|tls)://.+:\d+$")
    """Of the scheduler, as in "tls://10.0.0.5:8786"."""
    tls: str | None = None
    """The folder that `textmill cluster init-tls` wrote."""
    insecure: bool = False
    """Allow plain TCP beyond the loopback address."""
    ship: bool = False
    """Whether workers that have another textmill, or none, may be given this one; they need its libraries."""


class SshProfile(RemoteProfile):
    """Machines reached with ``ssh``: the scheduler is where the driver is, the workers are on them.

    [clusters.boxes]
    kind = "ssh"
    hosts = ["box1", "box2"]
    workers_per_host = 8
    """

    kind: Literal["ssh"]
    """This kind."""
    hosts: tuple[str, ...] = Field(min_length=1)
    """Names as ``ssh`` knows them, with your own ``~/.ssh/config``."""
    workers_per_host: int = Field(default=1, ge=1)
    """How many workers each machine bears; `workers` may ask for fewer in all."""
    options: tuple[str, ...] = ()
    """More words for ``ssh``, as in ["-p", "2222", "-i", "~/.ssh/cluster"]."""


class BatchProfile(RemoteProfile):
    """Batch systems: the driver is a job in an allocation, each worker another."""

    queue: str | None = None
    """Partition or queue."""
    account: str | None = None
    """Whom to charge."""
    workers: int | None = Field(default=4, ge=1)
    """How many workers, a job each; the job file's or `--workers` goes before it."""
    memory: Size | None = 4_000_000_000
    """Memory a worker may use; its job asks for a little more."""
    queue_timeout_s: float = Field(default=86_400.0, gt=0)
    """Seconds that workers may wait in the queue before the run fails."""
    walltime: str = Field(default="24:00:00", pattern=r"^(\d+-)?\d{1,3}:\d{2}:\d{2}$")
    """The longest that driver and workers may run, as in "08:00:00"."""
    directives: tuple[str, ...] = ()
    """More lines for the head of the scripts, without the leading word, as in ["--constraint=fast"]."""
    prologue: tuple[str, ...] = ()
    """Shell lines to run first, as in ["module load python/3.11"]."""
    driver: Literal["inside", "here"] = "inside"
    """Whether `textmill submit` puts the driver into the batch system too, or starts it on this machine."""
    driver_memory: Size = 2_000_000_000
    """Memory for the driver's job."""
    driver_cores: int = Field(default=1, ge=1)
    """Cores for the driver's job."""


class SlurmProfile(BatchProfile):
    """A SLURM cluster.

    [clusters.hpc]
    kind = "slurm"
    queue = "normal"
    workers = 20
    memory = "8GB"
    """

    kind: Literal["slurm"]
    """This kind."""


class PbsProfile(BatchProfile):
    """A PBS cluster: OpenPBS or PBS Professional."""

    kind: Literal["pbs"]
    """This kind."""


class VolumeConfig(Settings):
    """A persistent volume that holds store and inputs."""

    claim: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
    """The name of the PersistentVolumeClaim; many pods must be able to mount it for writing."""
    mount: str = Field(pattern=r"^/.+")
    """Where it is mounted, the same path as on the machine that submits."""


class KubernetesProfile(_Started):
    """A Kubernetes cluster with the Dask operator.

    [clusters.cloud]
    kind = "kubernetes"
    image = "registry.example.org/textmill:0.1.0"
    namespace = "data"
    workers = 10
    memory = "8GB"
    volume = { claim = "textmill", mount = "/data" }
    """

    kind: Literal["kubernetes"]
    """This kind."""
    image: str = Field(min_length=1)
    """A container image with this version of textmill."""
    namespace: str = Field(default="default", pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Where everything is made."""
    context: str | None = None
    """The context of your kubeconfig; the present one where not given."""
    workers: int | None = Field(default=4, ge=1)
    """How many workers, a pod each; the job file's or `--workers` goes before it."""
    memory: Size | None = 4_000_000_000
    """Memory a worker may use; its pod asks for a little more."""
    volume: VolumeConfig
    """The volume that all pods share."""
    service_account: str | None = None
    """The account that the pods run as."""
    pull_secret: str | None = None
    """The secret to pull the image with."""
    tls_secret: str | None = None
    """A secret with the files that `textmill cluster init-tls` wrote; keys for this job are made where not given."""
    driver_memory: Size = 2_000_000_000
    """Memory for the driver's pod."""
    retries: int = Field(default=3, ge=0)
    """How often Kubernetes starts a driver again that died."""


class GatewayProfile(_Profile):
    """A Dask Gateway server, which starts clusters for its users.

    [clusters.gateway]
    kind = "gateway"
    address = "https://gateway.example.org"
    options = { worker_memory = 8.0 }
    """

    kind: Literal["gateway"]
    """This kind."""
    address: str = Field(pattern=r"^https?://.+")
    """Of the server."""
    proxy_address: str | None = None
    """Of its proxy for schedulers, as in "gateway://gateway.example.org:8786", where it is another."""
    auth: Literal["password", "kerberos", "jupyterhub"] = "password"
    """How you prove who you are. The password is taken from `$TEXTMILL_GATEWAY_PASSWORD`."""
    user: str | None = None
    """Your name there; the one on this machine where not given."""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """What the server lets its users choose for a cluster."""
    insecure: bool = False
    """Allow plain HTTP beyond the loopback address."""


AnyProfile = LocalProfile | AddressProfile | SshProfile | SlurmProfile | PbsProfile | KubernetesProfile | GatewayProfile
#: Kind -> its settings.
KINDS: dict[str, type[AnyProfile]] = {
    "local": LocalProfile,
    "address": AddressProfile,
    "ssh": SshProfile,
    "slurm": SlurmProfile,
    "pbs": PbsProfile,
    "kubernetes": KubernetesProfile,
    "gateway": GatewayProfile,
}
#: The profile that is always there.
LOCAL = LocalProfile(kind="local", about="this machine's cores")
