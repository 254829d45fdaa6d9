"""Citations of what was sent: when they are enabled, and what they point at."""

from __future__ import annotations

import base64

import pytest

from .conftest import JSON, Api, fold

ON = {"citations": {"enabled": True}}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "The grass is green. " * 9}
CHUNKS = {"type": "content", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]}
PAGES = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7 fake").decode()}
FOUND = {"type": "search_result", "source": "https://example.org", "title": "F", "content": CHUNKS["content"][1:]}
CITED: list[JSON] = [
    {"type": "document", "source": PLAIN, "title": "Grass", **ON},
    {"type": "document", "source": CHUNKS, **ON},
    {"type": "document", "source": PAGES, **ON},
    {**FOUND, **ON},
]
QUESTION = {"type": "text", "text": "What do they say?"}


def cited(message: JSON) -> list[JSON]:
    return [c for block in message["content"] if block["type"] == "text" for c in block["citations"] or ()]


@pytest.mark.parametrize("stream", [False, True])
def test_each_kind_is_cited_in_its_own_units(api: Api, stream: bool) -> None:
    message = fold(api.events([*CITED, QUESTION])) if stream else api.ask([*CITED, QUESTION])
    text, chunk, page, result = cited(message)
    named = {"document_title": None, "file_id": None}
    assert text == {
        "type": "char_location", "document_index": 0, "document_title": "Grass", "file_id": None,
        "cited_text": PLAIN["data"][:80], "start_char_index": 0, "end_char_index": 80,
    }  # fmt: skip
    assert chunk == named | {
        "type": "content_block_location", "document_index": 1, "cited_text": "One.",
        "start_block_index": 0, "end_block_index": 1,
    }  # fmt: skip
    assert page == named | {
        "type": "page_location", "document_index": 2, "cited_text": "(page 1, not read)",
        "start_page_number": 1, "end_page_number": 2,
    }  # fmt: skip
    assert result == {
        "type": "search_result_location", "search_result_index": 0, "source": "https://example.org", "title": "F",
        "cited_text": "Two.", "start_block_index": 0, "end_block_index": 1,
    }  # fmt: skip


def test_citations_are_off_by_default(api: Api) -> None:
    bare = [{key: value for key, value in block.items() if key != "citations"} for block in CITED]
    assert cited(api.ask([*bare, QUESTION])) == []


def test_documents_are_numbered_over_the_conversation(api: Api) -> None:
    earlier = {"role": "user", "content": [CITED[0], QUESTION]}
    answer = {"role": "assistant", "content": "Green."}
    (only,) = cited(api.ask(messages=[earlier, answer, {"role": "user", "content": [CITED[1], QUESTION]}]))
    assert (only["document_index"], only["cited_text"]) == (1, "One.")


def test_all_or_none_and_never_with_a_format(api: Api) -> None:
    bare = {"type": "document", "source": CHUNKS}
    assert "all or none" in api.error([CITED[0], bare, QUESTION])
    assert "citations" in api.error([CITED[0] | {"citations": {"enable": True}}, QUESTION])
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    config = {"format": {"type": "json_schema", "schema": schema}}
    assert "citations" in api.error([CITED[0], QUESTION], output_config=config)
