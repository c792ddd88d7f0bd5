import assert from "node:assert/strict";
import { test } from "node:test";

import { texts } from "../../web/js/editor/texts.js";
import { fileOf, finder } from "../../web/js/routes.js";

const SHOWN = { url: "/api/view?filename=a+b.png&subfolder=x%2Fy&type=input", aspect: 1.5 };
const FILE = { filename: "a b.png", subfolder: "x/y", type: "input" };

function page(answer, picture = SHOWN) {
  const asked = [];
  const api = {
    apiURL: (path) => path,
    fetchApi: async (path, { body, signal }) => {
      asked.push({ path, ...JSON.parse(body), aborted: signal.aborted });
      return answer;
    },
  };
  return { asked, ...finder({ api, t: texts(), picture: () => picture }) };
}
const { signal } = new AbortController();

test("an address of ComfyUI's names its file, others none", () => {
  assert.deepEqual(fileOf(SHOWN.url), FILE);
  assert.deepEqual(fileOf("http://127.0.0.1:8188/view?filename=c.png&rand=0.5"), { filename: "c.png", subfolder: "", type: "output" });
  for (const url of ["data:image/png;base64,AAAA", "blob:http://x/1", "/view?subfolder=x", "/api/other?filename=a.png"]) {
    assert.equal(fileOf(url), null, url);
  }
});

test("the routes are asked as the server has them, about the picture that is shown", async () => {
  const mask = { size: [2, 1], runs: [1, 1] };
  const { asked, objectAt } = page(Response.json(mask));
  assert.deepEqual(await objectAt([0.1, 0.2], [[0.5, 0.5]], signal), mask);
  const made = page(Response.json({ plate: "data:,", objects: [] }), { url: SHOWN.url });
  await made.layers([40, 30], [mask], [0, 4, 0, 10], signal);
  assert.deepEqual(
    [...asked, ...made.asked],
    [
      { path: "/driftfield/object", picture: FILE, aspect: 1.5, point: [0.1, 0.2], pins: [[0.5, 0.5]], aborted: false },
      { path: "/driftfield/layers", picture: FILE, size: [40, 30], objects: [mask], margin: [0, 4, 0, 10], aborted: false },
    ],
  );
});

test("what goes wrong is said", async () => {
  const refused = page(Response.json({ error: "too much: paint it" }, { status: 400 }));
  await assert.rejects(refused.objectAt([0, 0], [], signal), /^Error: too much: paint it$/);
  const broken = page(new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
  await assert.rejects(broken.layers([1, 1], [], [0, 0, 0, 1], signal), /driftfield\/layers: 502 Bad Gateway/);
  await assert.rejects(page(null, { url: "blob:x" }).objectAt([0, 0], [], signal), /no file of ComfyUI's yet: run once, or paint/);
  await assert.rejects(page(null, { url: "blob:x" }).layers([1, 1], [], [0, 0, 0, 1], signal), /no file of ComfyUI's yet: after a run/);
});
