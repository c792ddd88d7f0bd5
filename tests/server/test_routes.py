"""The editor's routes on a real server: what they answer, and that nothing outside ComfyUI's folders can be had."""

import base64
import io
import json
import struct
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from driftfield.flow_tools.beyond import continued
from driftfield.flow_tools.layers import split
from driftfield.flow_tools.region import mask_of

WIDTH, HEIGHT = 120, 80
BALL = (40, 20, 70, 50)
BALL_AT = [55 / WIDTH, 35 / HEIGHT]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def folder(server):
    """ComfyUI's input folder, with ball.png: a red ball on grey noise."""
    place = server.base / "input"
    picture = Image.fromarray(np.random.default_rng(0).integers(90, 120, (HEIGHT, WIDTH, 3), np.uint8))
    ImageDraw.Draw(picture).ellipse(BALL, fill=(220, 30, 40))
    picture = picture.filter(ImageFilter.GaussianBlur(0.8))
    picture.save(place / "ball.png")
    (place / "deep").mkdir(exist_ok=True)
    picture.save(place / "deep" / "ball.png")
    (server.base / "secret").mkdir(exist_ok=True)
    picture.save(server.base / "secret" / "ball.png")
    return place


@pytest.fixture
def post(server, folder):
    def send(route, body, under="driftfield"):
        """(status, JSON) of the answer; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{server.url}/{under}/{route}", data, {"Content-Type": "application/json"})
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    return send


def of(filename, **changes):
    return {"picture": {"filename": filename, "subfolder": "", "type": "input"}, "point": BALL_AT} | changes


def ball():
    picture = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(picture).ellipse(BALL, fill=1)
    return np.asarray(picture) > 0


def mask_in(answer):
    return mask_of(answer, "answer")[0, 0].numpy() > 0.5


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


def test_the_thing_under_the_point_is_found(post):
    status, answer = post("object", of("ball.png", pins=[[0.9, 0.9]]))
    assert status == 200 and answer["size"] == [WIDTH, HEIGHT]
    assert overlap(mask_in(answer), ball()) > 0.9


def test_it_is_answered_under_api_too(post):
    assert post("object", of("ball.png"), under="api/driftfield")[0] == 200


def test_a_subfolder_and_another_folder(post, server, folder):
    inside = of("ball.png", picture={"filename": "ball.png", "subfolder": "deep", "type": "input"})
    assert post("object", inside)[0] == 200
    (server.base / "temp").mkdir(exist_ok=True)
    (server.base / "temp" / "shown.png").write_bytes((folder / "ball.png").read_bytes())
    assert post("object", of("", picture={"filename": "shown.png", "subfolder": "", "type": "temp"}))[0] == 200


def test_the_picture_is_cut_to_the_aspect_about_its_middle(post):
    status, answer = post("object", of("ball.png", aspect=1, point=[(55 - 20) / HEIGHT, 35 / HEIGHT]))
    assert status == 200 and answer["size"] == [HEIGHT, HEIGHT]
    assert overlap(mask_in(answer), ball()[:, 20:100]) > 0.9


def test_a_large_picture_gets_a_mask_of_the_editors_size(post, folder):
    Image.open(folder / "ball.png").resize((2400, 1600)).save(folder / "large.png")
    status, answer = post("object", of("large.png"))
    assert status == 200 and answer["size"] == [512, 341]


def test_a_photograph_that_lies_on_its_side_is_turned_as_load_image_turns_it(post, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned right by 90 degrees
    Image.open(folder / "ball.png").rotate(90, expand=True).save(folder / "turned.jpg", exif=exif, quality=95)
    status, answer = post("object", of("turned.jpg"))
    assert status == 200 and answer["size"] == [WIDTH, HEIGHT]
    assert overlap(mask_in(answer), ball()) > 0.9


def opened(url):
    return Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))


def unit(picture):
    """[1, 3, H, W] -1..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("objects", [False, True])
def test_the_plate_is_continued_as_the_video_continues_it(post, folder, objects):
    margin = (0, 10, 15, 30)
    masks = [post("object", of("ball.png"))[1]] if objects else []
    asked = {"picture": of("ball.png")["picture"], "size": [WIDTH, HEIGHT], "objects": masks}
    status, answer = post("layers", asked | {"margin": margin})
    assert status == 200 and len(answer["objects"]) == len(masks)
    layers = split(unit(Image.open(folder / "ball.png")), [mask_of(mask, "mask") for mask in masks])
    expected = (continued(layers.plate, margin, layers.hole)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    plate = np.asarray(opened(answer["plate"]))
    assert plate.shape == (HEIGHT + 10, WIDTH + 45, 3) and np.abs(plate - expected).max() <= 1
    assert np.array_equal(np.asarray(opened(post("layers", asked)[1]["plate"])), plate[:HEIGHT, 15 : 15 + WIDTH])


def test_the_picture_is_taken_apart(post, folder):
    _, mask = post("object", of("ball.png"))
    asked = {"picture": of("ball.png")["picture"], "size": [WIDTH, HEIGHT], "objects": [mask]}
    status, answer = post("layers", asked)
    assert status == 200 and len(answer["objects"]) == 1
    assert np.array_equal(opened(answer["still"]), Image.open(folder / "ball.png"))
    plate, thing = map(opened, (answer["plate"], *answer["objects"]))
    assert (plate.mode, plate.size, thing.mode, thing.size) == ("RGB", (WIDTH, HEIGHT), "RGBA", (WIDTH, HEIGHT))
    assert np.asarray(plate)[35, 55].tolist() == pytest.approx([105] * 3, abs=20)  # the ball is gone
    pixels = np.asarray(thing)
    assert pixels[35, 55].tolist() == pytest.approx([220, 30, 40, 255], abs=3) and pixels[5, 5, 3] == 0
    edge = (pixels[..., 3] > 100) & (pixels[..., 3] < 200)
    assert edge.any() and (pixels[edge][:, 0] > 180).all()  # straight colours: as red as inside
    together = Image.alpha_composite(plate.convert("RGBA"), thing).convert("RGB")
    picture = np.asarray(Image.open(folder / "ball.png")).astype(float)
    assert np.abs(np.asarray(together) - picture).mean() < 1


@pytest.mark.parametrize(
    "picture",
    [
        {"filename": "../secret/ball.png"},
        {"filename": "deep/../../secret/ball.png"},
        {"filename": "ball.png", "subfolder": "../secret"},
        {"filename": "ball.png", "subfolder": "deep/../../secret"},
        {"filename": "{base}/secret/ball.png"},
        {"filename": "ball.png", "subfolder": "{base}/secret"},
        {"filename": "link.png"},
        {"filename": "ball.png", "subfolder": "linked"},
        {"filename": "", "subfolder": "deep"},
        {"filename": "gone.png"},
        {"filename": "deep"},
        {"filename": "x" * 5000},
    ],
    ids=lambda picture: json.dumps(picture)[:60],
)
def test_nothing_outside_the_folders_can_be_had(post, server, folder, picture):
    for link, target in (("link.png", "ball.png"), ("linked", "")):
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(server.base / "secret" / target)
    picture = {key: value.replace("{base}", str(server.base)) for key, value in picture.items()}
    status, answer = post("object", of("", picture={"subfolder": "", "type": "input"} | picture))
    assert status == 404 and "is not in ComfyUI's folder input" in answer["error"]
    assert str(server.base / "input") not in answer["error"]


def claimed(width, height):
    """A PNG that says it is that large, and has the pixels of its first rows."""
    chunks = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(9000)))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture at all", "cannot be opened as a picture"),
        (b"", "cannot be opened as a picture"),
        (claimed(64, 64), "cannot be opened as a picture"),
        (claimed(18919, 18919), "allowed 67,108,864"),  # 1 GB
        (claimed(9000, 9000), "has 9000 x 9000 px, allowed 67,108,864"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be opened as a picture"),
    ],
    ids=["text", "empty", "no pixels", "1 GB", "81 Mpx", "PostScript"],
)
def test_only_pictures_of_a_sane_size_are_opened(post, folder, content, said):
    (folder / "hostile.png").write_bytes(content)
    status, answer = post("object", of("hostile.png"))
    assert status == 400 and said in answer["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "request: not JSON"),
        (b"\xff\xfe", "request: not JSON"),
        (b"[" * 100_000, "request: not JSON"),
        (b"7", "request: got 7, allowed an object"),
        (b" " * ((2 << 20) + 1), "request: got more than 2,097,152 bytes"),
        ({}, "point: got None, allowed a pair"),
        (of("ball.png", point=[0.5]), "point: got [0.5], allowed a pair"),
        (of("ball.png", point=[0.5, "x"]), "point: y = 'x', allowed a finite number"),
        (of("ball.png", point=[0.5, True]), "point: y = True, allowed a finite number"),
        (of("ball.png", point=[0.5, float("nan")]), "point: y = nan, allowed a finite number"),
        (of("ball.png", point=[0.5, 1.5]), "point: got (0.5, 1.5), allowed 0..1"),
        (of("ball.png", pins=7), "pins: got 7, allowed a list"),
        (of("ball.png", pins=[[0, 0]] * 4097), "allowed a list of at most 4096"),
        (of("ball.png", pins=[[0, 0], 3]), "pin 2: got 3, allowed a pair"),
        (of("ball.png", aspect=0), "aspect: got 0, allowed 1/100 to 100"),
        (of("ball.png", aspect="wide"), "aspect = 'wide', allowed a finite number"),
        (of("ball.png", picture="ball.png"), "picture: got 'ball.png', allowed an object"),
        (of("ball.png", picture={"filename": 7}), "picture: filename = 7, allowed text"),
        (of("ball.png", picture={"filename": "ball.png\0.txt"}), "allowed text"),
        (of("ball.png", picture={"filename": "ball.png", "type": "models"}), "allowed input, output, temp"),
        (of("ball.png", picture={"filename": "ball.png", "type": ["input"]}), "allowed input, output, temp"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[-40:],
)
def test_a_wrong_request_is_told_what_is_wrong(post, body, said):
    status, answer = post("object", body)
    assert status == 400 and said in answer["error"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": [1, 5000]}, "size: got [1, 5000], allowed [width, height], each 1..1024"),
        ({"size": "64"}, "size: got '64'"),
        ({"margin": [0, 0, 0, 9]}, "margin: got [0, 0, 0, 9], allowed [top, bottom, left, right], each at most"),
        ({"margin": [0, 9, 0, 0]}, "margin: got [0, 9, 0, 0]"),
        ({"margin": [0, 0, -1, 0]}, "margin: got [0, 0, -1, 0]"),
        ({"margin": [0, 0]}, "margin: got [0, 0]"),
        ({"margin": 3}, "margin: got 3"),
        ({"objects": 3}, "objects: got 3, allowed a list"),
        ({"objects": [{"size": [2, 2], "runs": [3]}]}, "object 1: runs make 3 pixels"),
        ({"objects": [{"size": [1, 1], "runs": [1]}] * 65}, "objects: got 65, allowed at most 64"),
    ],
)
def test_wrong_layers_are_told_what_is_wrong(post, changes, said):
    asked = of("ball.png", size=[8, 8], objects=[{"size": [1, 1], "runs": [0, 1]}]) | changes
    status, answer = post("layers", asked)
    assert status == 400 and said in answer["error"]


def test_where_nothing_can_be_found_it_says_so(post, folder):
    Image.new("RGB", (64, 64), (90, 120, 200)).save(folder / "sky.png")
    status, answer = post("object", of("sky.png", point=[0.5, 0.5]))
    assert status == 400 and "paint it" in answer["error"]


def test_many_clicks_at_once_find_the_same(post):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post("object", of("ball.png")), range(8)))
    assert answers[0][0] == 200 and all(answer == answers[0] for answer in answers)


def test_the_server_answers_others_meanwhile(post, client):
    asked = {"picture": of("ball.png")["picture"], "size": [1024, 1024], "objects": [post("object", of("ball.png"))[1]]}
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(post, "layers", asked)
        answered = 0
        while not long.done():
            client.request("/system_stats")
            answered += 1
    assert long.result()[0] == 200 and answered > 5
