//! Anthropic's form of a citation.

use pumice::converse::{
    Citation, CitationLocation, CitationSourceContent, DocumentCharLocation, DocumentChunkLocation,
    DocumentPageLocation, SearchResultLocation, WebLocation,
};

use crate::json::{Fault, Json, Object, string, whole};

/// Where a passage is, as Anthropic has it: the type, and the names of source, beginning and end.
const LOCATIONS: [[&str; 4]; 4] = [
    ["char_location", "document_index", "start_char_index", "end_char_index"],
    ["page_location", "document_index", "start_page_number", "end_page_number"],
    ["content_block_location", "document_index", "start_block_index", "end_block_index"],
    ["search_result_location", "search_result_index", "start_block_index", "end_block_index"],
];
/// Where a passage of a page on the web is.
const WEB: &str = "web_search_result_location";

pub(super) fn read(citation: Json<'_>) -> Result<Option<Citation>, Fault> {
    let mut object = citation.object()?;
    let kind = object.need("type", "the type of the citation")?.text()?;
    let text = |object: &mut Object<'_>, name| {
        object.take(name).map(|text| text.text().map(String::from)).transpose()
    };
    let mut read = Citation::new();
    read.title = text(&mut object, "title")?.or(text(&mut object, "document_title")?);
    read.source = text(&mut object, "source")?;
    let cited = text(&mut object, "cited_text")?.filter(|cited| !cited.is_empty());
    read.source_content = cited.map(|cited| vec![CitationSourceContent::Text(cited)]);
    if kind == WEB {
        let mut web = WebLocation::new();
        web.url = text(&mut object, "url")?;
        web.domain = text(&mut object, "domain")?;
        read.location = Some(web.into());
        return Ok(Some(read));
    }
    let mut rows = LOCATIONS.iter().enumerate();
    let Some((at, [_, index, start, end])) = rows.find(|(_, [found, ..])| *found == kind) else {
        return Ok(None);
    };
    let mut number = |name| {
        let number = object.take(name).map(Json::whole).transpose()?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    };
    let (index, start, end) = (number(index)?, number(start)?, number(end)?);
    macro_rules! location {
        ($kind:ident, $index:ident) => {{
            let mut location = $kind::new();
            (location.$index, location.start, location.end) = (index, start, end);
            location.into()
        }};
    }
    read.location = Some(match at {
        0 => location!(DocumentCharLocation, document_index),
        1 => location!(DocumentPageLocation, document_index),
        2 => location!(DocumentChunkLocation, document_index),
        _ => location!(SearchResultLocation, search_result_index),
    });
    Ok(Some(read))
}

/// Writes a citation, unless Anthropic has none of its kind.
pub(super) fn write(
    title: Option<&str>,
    source: Option<&str>,
    passages: &str,
    location: Option<&CitationLocation>,
    out: &mut Vec<u8>,
) -> bool {
    let (row, numbers) = match location {
        Some(CitationLocation::DocumentChar(place)) => (0, [place.document_index, place.start, place.end]),
        Some(CitationLocation::DocumentPage(place)) => (1, [place.document_index, place.start, place.end]),
        Some(CitationLocation::DocumentChunk(place)) => (2, [place.document_index, place.start, place.end]),
        Some(CitationLocation::SearchResultLocation(place)) => {
            (3, [place.search_result_index, place.start, place.end])
        }
        Some(CitationLocation::Web(_)) => (4, [None; 3]),
        _ => return false,
    };
    let row = LOCATIONS.get(row);
    let mut member = |name: &str, text: Option<&str>| {
        out.push(if name == "type" { b'{' } else { b',' });
        string(out, name);
        out.push(b':');
        match text {
            Some(text) => string(out, text),
            None => out.extend_from_slice(b"null"),
        }
    };
    member("type", Some(row.map_or(WEB, |row| row[0])));
    member("cited_text", Some(passages));
    let names_document = row.is_some_and(|row| row[1] == "document_index");
    member(if names_document { "document_title" } else { "title" }, title);
    if source.is_some() || row.is_some() && !names_document {
        member("source", Some(source.unwrap_or_default()));
    }
    if let Some(CitationLocation::Web(place)) = location {
        member("url", Some(place.url.as_deref().unwrap_or_default()));
        member("encrypted_index", Some(""));
        if place.domain.is_some() {
            member("domain", place.domain.as_deref());
        }
    }
    for (name, number) in row.into_iter().flat_map(|row| &row[1..]).zip(numbers) {
        out.push(b',');
        string(out, name);
        out.push(b':');
        match number {
            Some(number) => whole(out, number.into()),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    true
}
