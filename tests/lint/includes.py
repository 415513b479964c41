#!/usr/bin/env python3
"""The include lint: every #include "..." must point down the layers, so the picture of the layers cannot rot.

Usage: includes.py ROOT [FILE...]   (default: every .c, .h, .S and .def file of the layers and tests)
"""
import re
import sys
from pathlib import Path

# Folder -> layer. The longest match wins.
LAYERS = {
    "cpu-model/base": "base",
    "cpu-model/state": "state",
    "softmmu": "softmmu",
    "cpu-model/exec": "exec",
    "cpu-model": "base",  # insn.def and the like: data for all
    "translator": "translator",
    "devices/core": "devices",
    "devices/chips": "devices",
    "devices/virtio": "devices",
    "devices/machine": "machine",
    "frontend-sdl": "frontend-sdl",
    "tests": "tests",
    "benchmarks": "benchmarks",
}

# Layer -> layers, or single headers, that it may include besides itself.
MAY_INCLUDE = {
    "base": [],
    "state": ["base"],
    "softmmu": ["base", "state"],
    "exec": ["base", "state", "softmmu"],
    "translator": ["base", "state", "softmmu", "exec"],
    "devices": ["base", "softmmu/space.h", "softmmu/dma.h"],
    "machine": ["base", "state", "softmmu", "exec", "translator", "devices"],
    "frontend-sdl": ["devices/machine/machine.h", "devices/core/ui.h", "devices/core/sound.h",
                     "devices/core/cp437.h"],
    "tests": ["base", "state", "softmmu", "exec", "translator", "devices", "machine", "frontend-sdl/terminal_view.h"],
    "benchmarks": [],
}

# Headers the build makes -> layers that may include them.
GENERATED = {"dsdt.h": ["machine"], "vga_font.h": ["frontend-sdl", "machine"]}

# Third-party header (pattern) -> files that may include it (patterns). tests/ may include all of them.
THIRD_PARTY = {
    r"Zydis/.*": [r"cpu-model/exec/(decode|native_cache)(_int)?\.[ch]", r"translator/(encode|scan)\.[ch]"],
    r"capstone(\.h|/.*)": [r"cpu-model/exec/disassemble\.c", r"translator/disassemble\.c"],
    r"ffi\.h": [r"translator/hook_bridge\.c"],
    r"png\.h": [r"devices/core/screenshot\.c"],
    r"SDL.*": [r"frontend-sdl/.*"],
    r"jansson\.h": [r"devices/machine/qmp(_.*)?\.[ch]"],
    r"zlib\.h": [r"devices/machine/inflate\.c"],
    r"criterion/.*": [],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".c", ".h", ".S", ".def"}


def layer_of(path):
    folders = [f for f in LAYERS if path.startswith(f + "/")]
    return LAYERS[max(folders, key=len)] if folders else None


def check_ours(root, source, layer, header):
    """What is wrong with `source`, a file of `layer`, including "header"; or None."""
    if header in GENERATED:
        return None if layer in GENERATED[header] else f'"{header}" is for {", ".join(GENERATED[header])} only'
    target = layer_of(header)
    if target is None:
        return f'"{header}" is not relative to the root of the repository'
    if not (root / header).is_file():
        return f'"{header}" does not exist'
    if header.endswith("_int.h") and Path(header).parent != Path(source).parent and layer != "tests":
        return f'"{header}" is private to its folder'
    if target != layer and target not in MAY_INCLUDE[layer] and header not in MAY_INCLUDE[layer]:
        return f'layer {layer} may not include "{header}" ({target})'
    return None


def check_file(root, source):
    problems = []
    layer = layer_of(source)
    first = None
    for number, line in enumerate((root / source).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        first = first or header
        problem = check_ours(root, source, layer, header) if quote == '"' else None
        for pattern, allowed in THIRD_PARTY.items():
            if re.fullmatch(pattern, header) and layer != "tests":
                if not any(re.fullmatch(a, source) for a in allowed):
                    problem = f"<{header}> may appear only in: {', '.join(allowed) or 'tests'}"
                break
        if problem:
            problems.append(f"{source}:{number}: {problem}")
    own = source[:-2] + ".h"
    if source.endswith(".c") and (root / own).is_file() and first != own:
        problems.append(f'{source}:1: must include its own header first: "{own}"')
    return problems


def main():
    root = Path(sys.argv[1]).resolve()
    sources = sys.argv[2:] or sorted(
        str(path.relative_to(root))
        for top in sorted({layer.split("/")[0] for layer in LAYERS})
        for path in (root / top).rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    )
    problems = [p for source in sources for p in check_file(root, source)]
    print("\n".join(problems) or f"includes: {len(sources)} files, all point down the layers")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
