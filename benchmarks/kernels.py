"""Small guests without an operating system, from tests/kernels."""
import subprocess

FLAGS = ["-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,-z,noexecstack", "-Wl,--no-warn-rwx-segments"]


def build_kernel(root, name, target):
    """Builds tests/kernels/NAME.S as `target`. CalledProcessError if that fails."""
    kernels = root / "tests/kernels"
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", *FLAGS, f"-Wl,-T,{kernels / 'kernel.ld'}", f"-I{root}", "-o", target, kernels / f"{name}.S"],
                   check=True)
