"""A job made ready for Kubernetes, from what it and its profile say."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.errors import ProfileError
from cluster.kubernetes.kubectl import Kubernetes, place_of
from cluster.kubernetes.manifests import Manifest, PodJob, belongings, driver_manifest, object_name
from cluster.profiles.kept import sized, worker_environment
from cluster.profiles.settings import KubernetesProfile
from cluster.profiles.sources import Named
from cluster.tls import init_tls
from pipeline.config import JobConfig

_DAYS = 30


def pod_job(run: str, job: JobConfig, named: Named, profile: KubernetesProfile, logs: Path) -> PodJob:
    """What to run.

    Raises
    ------
    ProfileError
        If store or inputs do not lie on the volume that pods see.
    """
    mount = Path(profile.volume.mount)
    root = Path(job.source.root or ".")
    named_paths = (job.store, *job.source.files)
    outside = [path for path in named_paths if "://" not in path and not (root / path).is_relative_to(mount)]
    if outside:
        raise ProfileError(
            named.name,
            f"pods see {mount} alone, and these lie elsewhere: {', '.join(outside[:3])}. Put store and inputs on the "
            "volume, mounted here at the same path",
        )
    config = sized(job.cluster, profile)
    return PodJob(
        run=run,
        store=job.store,
        logs=logs,
        workers=config.workers or 1,
        threads=config.threads,
        memory_bytes=config.memory or 0,
        environment=worker_environment(named),
    )


def manifests_of(wanted: PodJob, profile: KubernetesProfile) -> list[Manifest]:
    """All objects of a job, as they would be handed over; the keys are made for nothing but to be looked at."""
    with TemporaryDirectory(prefix="textmill-tls-") as folder:
        keys = None if profile.tls_secret else init_tls(Path(folder), days=1, force=True, keep_key=False)
        return [driver_manifest(wanted, profile), *belongings(wanted, profile, keys, "the uid of the job above")]


def hand_over(wanted: PodJob, profile: KubernetesProfile) -> Mapping[str, str]:
    """Where the driver is now, with all that belongs to it.

    Raises
    ------
    BatchError
        If Kubernetes does not take it.
    """
    kubernetes = Kubernetes()
    place = place_of(profile.context, profile.namespace, object_name(wanted.run))
    with TemporaryDirectory(prefix="textmill-tls-") as folder:
        keys = None if profile.tls_secret else init_tls(Path(folder), days=_DAYS, force=True, keep_key=False)
        [owner] = kubernetes.apply(place, [driver_manifest(wanted, profile)])
        kubernetes.apply(place, belongings(wanted, profile, keys, owner))
    return {"system": kubernetes.name, "id": place}
