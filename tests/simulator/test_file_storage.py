"""The simulated Files API, and files in messages."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import httpx2
import pytest
from PIL import Image

from claude_magic.simulator import Simulator
from tests.images import encoded
from tests.judges import require_judge

from .conftest import JSON, Api


def png(colour: str = "red", size: tuple[int, int] = (30, 20)) -> bytes:
    return encoded(Image.new("RGB", size, colour))


def send(api: Api, *part: Any, **fields: str) -> httpx2.Response:
    """Upload ``name, data, type`` under the field ``file``."""
    return api.http.post("/v1/files", files=[("file", part)] if part else None, data=fields, headers=api.headers)


def upload(api: Api, *part: Any, **fields: str) -> JSON:
    response = send(api, *part, **fields)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get(api: Api, path: str, status: int = 200, method: str = "GET") -> JSON:
    response = api.http.request(method, f"/v1/files{path}", headers=api.headers)
    assert response.status_code == status, response.text
    return dict(response.json())


def refusal(api: Api, *part: Any, status: int = 400, **fields: str) -> str:
    response = send(api, *part, **fields)
    assert response.status_code == status, response.text
    return str(response.json()["error"]["message"])


def block(kind: str, id: str, **fields: Any) -> JSON:
    return {"type": kind, "source": {"type": "file", "file_id": id}, **fields}


WORDS = {"type": "text", "text": "What is it?"}


def test_upload_metadata(api: Api, simulator: Simulator) -> None:
    simulator.files._clock = lambda: 1_790_000_000.0
    told = upload(api, "a.png", png(), "image/png", expires_in_seconds="3600")
    assert told == {
        "id": "file_sim00000001",
        "type": "file",
        "filename": "a.png",
        "mime_type": "image/png",
        "size_bytes": len(png()),
        "created_at": "2026-09-21T14:13:20.000000Z",
        "downloadable": False,
        "expires_at": "2026-09-21T15:13:20.000000Z",
    }
    assert get(api, "/file_sim00000001") == told
    assert upload(api, "a.png", png(), "image/png")["expires_at"] is None


@pytest.mark.parametrize(
    ("part", "name", "kind"),
    [
        (("dir/a.txt", b"x", "text/plain"), "a.txt", "text/plain"),
        (("a", b"%PDF-1.4", "application/octet-stream"), "a", "application/pdf"),
        (("a", png(), "application/octet-stream"), "a", "image/png"),
        (("a.csv", b"1,2", "application/octet-stream"), "a.csv", "text/csv"),
        (("a.unheard", b"1,2", "application/octet-stream"), "a.unheard", "application/octet-stream"),
        (("", b"%PDF-1.4", "application/pdf"), "unnamed.pdf", "application/pdf"),
        (("x" * 255, b"x", "text/plain"), "x" * 255, "text/plain"),
    ],
)
def test_names_and_types(part: Any, name: str, kind: str, api: Api) -> None:
    told = upload(api, *part)
    assert (told["filename"], told["mime_type"]) == (name, kind)


@pytest.mark.parametrize("name", ["x" * 256, "a:b", "a|b", "a?", "a*", "<a>", "a\\b", "a\x01b"])
def test_names_that_are_refused(name: str, api: Api) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\nx\r\n--b--\r\n' % name.encode()
    headers = {**api.headers, "content-type": "multipart/form-data; boundary=b"}
    response = api.http.post("/v1/files", content=head, headers=headers)
    assert response.status_code == 400
    if name.isprintable():
        assert "Invalid filename" in response.json()["error"]["message"]
    assert get(api, "")["data"] == []


@pytest.mark.parametrize(
    ("life", "text"),
    [
        ("3599", "greater than or equal to 3600"),
        ("-1", "greater than or equal to 3600"),
        ("7776001", "less than or equal to 7776000"),
        ("soon", "valid integer"),
        ("3600.5", "valid integer"),
        ("", "valid integer"),
        ("9" * 5000, "valid integer"),
    ],
)
def test_lifetimes_that_are_refused(life: str, text: str, api: Api) -> None:
    assert text in refusal(api, "a.txt", b"x", "text/plain", expires_in_seconds=life)
    assert get(api, "")["data"] == []


def test_uploads_that_are_refused(api: Api, simulator: Simulator) -> None:
    assert refusal(api) == "file: Field required"
    assert "empty" in refusal(api, "a.txt", b"", "text/plain")
    assert "purpose: Extra inputs" in refusal(api, "a.txt", b"x", "text/plain", purpose="vision")
    two = [("file", ("a", b"x", "text/plain")), ("file", ("b", b"y", "text/plain"))]
    assert api.http.post("/v1/files", files=two, headers=api.headers).status_code == 400
    assert api.http.post("/v1/files", json={"file": "x"}, headers=api.headers).status_code == 400
    broken = {**api.headers, "content-type": "multipart/form-data; boundary=b"}
    assert api.http.post("/v1/files", content=b"--b\r\nno end", headers=broken).status_code == 400
    simulator.files.most_bytes = 10
    assert "exceeds" in refusal(api, "a.txt", b"x" * 11, "text/plain", status=413)
    upload(api, "a.txt", b"x" * 10, "text/plain")


@pytest.mark.parametrize(("change", "status"), [({"x-api-key": "wrong"}, 401), ({"anthropic-version": "1999"}, 400)])
def test_the_key_and_the_version_are_checked(change: dict[str, str], status: int, api: Api) -> None:
    id = upload(api, "a.txt", b"x", "text/plain")["id"]
    headers = {**api.headers, **change}
    for method, path in [("GET", ""), ("POST", ""), ("GET", f"/{id}"), ("DELETE", f"/{id}"), ("GET", f"/{id}/content")]:
        assert api.http.request(method, f"/v1/files{path}", headers=headers).status_code == status
    assert get(api, f"/{id}")["id"] == id


def test_pages(api: Api) -> None:
    ids = [upload(api, f"{i}.txt", b"x", "text/plain")["id"] for i in range(25)][::-1]
    first = get(api, "")
    assert [file["id"] for file in first["data"]] == ids[:20]
    second = get(api, f"?page={first['next_page']}")
    assert [file["id"] for file in second["data"]] == ids[20:]
    assert second["next_page"] is None
    get(api, f"/{ids[9]}", method="DELETE")
    third = get(api, "?limit=10&page=page_" + ids[9])  # a cursor may outlive its file
    assert [file["id"] for file in third["data"]] == ids[10:20]
    assert get(api, "?limit=24")["next_page"] is None
    chosen = get(api, f"?ids[]={ids[3]}&ids[]={ids[1]}&ids[]={ids[9]}&ids[]=file_x")
    assert [file["id"] for file in chosen["data"]] == [ids[1], ids[3]]
    assert chosen["next_page"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "page=x", "page=page_", "ids[]=a&limit=3", "ids[]=a&page=page_x"]
)
def test_lists_that_are_refused(query: str, api: Api) -> None:
    get(api, f"?{query}", 400)


def test_too_many_ids(api: Api) -> None:
    assert "100" in get(api, "?" + "&".join(f"ids[]={i}" for i in range(101)), 400)["error"]["message"]


def test_missing_files(api: Api) -> None:
    for method, path in [("GET", "/file_x"), ("DELETE", "/file_x"), ("GET", "/file_x/content")]:
        error = get(api, path, 404, method)["error"]
        assert (error["type"], error["message"]) == ("not_found_error", "File not found: file_x")
    assert get(api, "/file_x", 405, "POST")["type"] == "error"
    assert get(api, "", 405, "DELETE")["type"] == "error"


def test_deletion_and_download(api: Api) -> None:
    id = upload(api, "a.txt", b"x", "text/plain")["id"]
    error = get(api, f"/{id}/content", 400)["error"]
    assert error["details"] == {"error_code": "file_not_downloadable"}
    assert get(api, f"/{id}", method="DELETE") == {"id": id, "type": "file_deleted"}
    get(api, f"/{id}", 404)


def test_images_are_described(api: Api) -> None:
    id = upload(api, "a.png", png("blue"), "image/png")["id"]
    answer = api.text([block("image", id), WORDS])
    assert "PNG, 30 x 20 pixels, mostly blue" in answer
    data = base64.b64encode(png("blue")).decode()
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    count = {"path": "/v1/messages/count_tokens", "max_tokens": ...}
    assert api.ask([block("image", id), WORDS], **count) == api.ask([inline, WORDS], **count)


def test_documents_are_opened(api: Api) -> None:
    pdf = upload(api, "a.pdf", b"%PDF-1.4 so", "application/pdf")["id"]
    text = upload(api, "a.txt", "Grüße".encode(), "text/plain; charset=utf-8")["id"]
    answer = api.text([block("document", pdf, title="Report"), block("document", text), WORDS])
    assert "“Report”, PDF, 11 bytes" in answer
    assert "plain text, 5 characters" in answer


def test_files_within_tool_results_and_documents(api: Api) -> None:
    id = upload(api, "a.png", png("green"), "image/png")["id"]
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"source": {"type": "file", "file_id": "?"}}}
    inner = {"type": "document", "source": {"type": "content", "content": [block("image", id)]}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block("image", id), inner]}
    messages = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, WORDS]},
    ]
    assert (
        api.text(messages=messages, tools=[{"name": "look", "input_schema": {"type": "object"}}]).count("30 x 20") == 2
    )


def test_files_that_a_message_cannot_hold(api: Api) -> None:
    assert api.error([block("image", "file_x"), WORDS], status=404) == "File not found: file_x"
    picture = upload(api, "a.png", png(), "image/png")["id"]
    sheet = upload(api, "a.csv", b"1,2", "text/csv")["id"]
    liar = upload(api, "a.jpg", png(), "image/jpeg")["id"]
    large = upload(api, "a.png", png(size=(8001, 1)), "image/png")["id"]
    assert "do not take files of type image/png" in api.error([block("document", picture), WORDS])
    assert "do not take files of type text/csv" in api.error([block("image", sheet), WORDS])
    assert "do not take files of type text/csv" in api.error([block("document", sheet), WORDS])
    assert "appears to be a image/png" in api.error([block("image", liar), WORDS])
    assert "8000 pixels" in api.error([block("image", large), WORDS])
    get(api, f"/{picture}", method="DELETE")
    assert api.error([block("image", picture), WORDS], status=404) == f"File not found: {picture}"


@pytest.mark.parametrize("source", [{}, {"file_id": 1}, {"file_id": "file_x", "more": 1}, {"file_id": None}])
def test_malformed_sources(source: JSON, api: Api) -> None:
    for kind in ("image", "document"):
        assert f"{kind}.source.file" in api.error([{"type": kind, "source": {"type": "file", **source}}, WORDS])


@pytest.mark.parametrize(
    "content",
    [5, [5], [{"type": "tool_result", "content": 5}], [{"type": "image", "source": 5}], [{"type": "document"}]],
)
def test_malformed_content_is_still_refused(content: Any, api: Api) -> None:
    api.error(content)


def test_deep_nesting_is_refused_and_not_followed(api: Api) -> None:
    inner: Any = "x"
    for _ in range(300):
        inner = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": inner}]
    api.error(inner)


def test_files_expire(api: Api, simulator: Simulator) -> None:
    now = [1_790_000_000.0]
    simulator.files._clock = lambda: now[0]
    id = upload(api, "a.png", png(), "image/png", expires_in_seconds="3600")["id"]
    now[0] += 3599
    api.ask([block("image", id), WORDS])
    now[0] += 1
    error = api.post([block("image", id), WORDS])
    assert (error.status_code, error.json()["error"]["details"]) == (404, {"error_code": "file_expired"})
    get(api, f"/{id}/content", 400)


def test_servers_do_not_share_files(api: Api) -> None:
    upload(api, "a.txt", b"x", "text/plain")
    with Simulator() as other, Api(other) as there:
        assert get(there, "")["data"] == []


# The SDK costs a second and 60 MB, so it stays in a process of its own.
_SDK = """
import sys
import anthropic
client = anthropic.Anthropic(api_key="k", base_url=sys.argv[1], max_retries=0)
expires = 3600
file = client.files.upload(file=("a.png", sys.stdin.buffer.read(), "image/png"), expires_in_seconds=expires)
assert not file.model_extra, file.model_extra
assert (file.expires_at - file.created_at).total_seconds() == expires
others = [client.files.upload(file=(f"{i}.txt", b"x", "text/plain")) for i in range(5)]
assert [found.id for found in client.files.list(limit=2)] == [found.id for found in [file, *others][::-1]]
assert [found.id for found in client.files.list(ids=[file.id])] == [file.id]
assert client.files.retrieve_metadata(file.id) == file
source = {"type": "file", "file_id": file.id}
content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
asked = {"model": "claude-sonnet-5-5", "max_tokens": 1000, "messages": [{"role": "user", "content": content}]}
assert "mostly red" in client.messages.create(**asked).content[-1].text
for ask, kind in [
    (lambda: client.files.download(file.id), anthropic.BadRequestError),
    (lambda: client.files.retrieve_metadata("file_x"), anthropic.NotFoundError),
    (lambda: client.files.upload(file=("a?", b"x", "text/plain")), anthropic.BadRequestError),
]:
    try:
        ask()
    except kind as error:
        assert error.request_id
    else:
        raise AssertionError(kind)
assert client.files.delete(file.id).id == file.id
print("done")
"""


@pytest.mark.slow
def test_the_official_sdk(simulator: Simulator) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _SDK, simulator.url], input=png(), capture_output=True, timeout=120, check=False
    )
    if b"No module named 'anthropic'" in result.stderr:
        require_judge("anthropic")
    assert result.stdout.strip() == b"done", result.stderr.decode()


def test_the_list_is_json(api: Api) -> None:
    assert json.dumps(get(api, "")) == '{"data": [], "next_page": null}'
