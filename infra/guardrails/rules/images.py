"""No image by its tag: a tag is another image tomorrow, and nobody sees it in the program."""

import re
from collections.abc import Iterator, Sequence

from infra.guardrails.pods import containers, items, kind, overlay, part, template
from infra.guardrails.rule import UNKNOWN, Declared, Finding, Limits, Rule

BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
FUNCTION = "aws:lambda/function:Function"


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    for resource in resources:
        for where, image in _images(resource):
            if image is not UNKNOWN and not BY_DIGEST.fullmatch(str(image)):
                yield resource, f"{where} has {image!r}; give it as NAME@sha256:DIGEST, 64 hexadecimal digits"


def _images(resource: Declared) -> Iterator[tuple[str, object]]:
    if (pod := template(resource)) is not None:
        spec = part(pod, "spec")
        for container in containers(spec):
            yield f"image of container {container.get('name')!r}", container.get("image")
        for volume in items(spec, "volumes"):
            if mounted := part(volume, "image"):
                yield f"image of volume {volume.get('name')!r}", mounted.get("reference")
    for container in containers(part(overlay(resource), "spec")):
        if "image" in container:
            yield f"image of container {container.get('name')!r}, in the override,", container["image"]
    if kind(resource) == "RabbitmqCluster" and (image := part(resource.inputs, "spec").get("image")):
        yield "spec.image", image
    if resource.type == FUNCTION and (image := resource.inputs.get("imageUri")):
        yield "imageUri", image


IMAGES = Rule(
    name="image-by-digest",
    description="Images are named by digest, never by tag.",
    check=_check,
    alone=True,
)
