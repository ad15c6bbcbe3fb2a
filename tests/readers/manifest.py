"""Validates a Kubernetes manifest on standard input, and prints the only argument of its container.

A key that the schema of its kind does not have is an error, as for `kubectl apply`.
"""

import sys

import kubernetes_validate
import yaml

manifest = yaml.safe_load(sys.stdin)
kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
(container,) = manifest["spec"]["template"]["spec"]["containers"]
(argument,) = container["args"]
print(argument)
