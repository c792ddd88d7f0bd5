"""One segment on a tiny model through the nodes, for tests."""

SETTINGS = {
    "seed": 3,
    "steps": 4,
    "cfg_min": 1.0,
    "cfg_max": 1.0,
    "fps": 7,
    "strength_mode": "manual",
    "motion_strength": 127.0,
    "frames": 0,
    "noise_aug_strength": 0.02,
    "loop": False,
}


def animated(nodes, animator, image, **changes):
    return nodes.AnimateImage.execute(animator, image, **{**SETTINGS, **changes}).result


def encoded(nodes, animator, flow, strength=1.0):
    return nodes.EncodeMotion.execute(animator, flow, strength).result[0]
