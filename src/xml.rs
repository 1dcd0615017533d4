//! Elements of the XML that STS and S3 send. Not a parser: the documents are known, and flat.

use zeroize::Zeroizing;

use crate::redaction::entity;

/// The text of the element with this name. `None` if there is none or more than one, if it has other elements in
/// it, or if the document has what these services never send: a document type, CDATA, comments.
pub(crate) fn text(xml: &str, name: &str) -> Option<Zeroizing<String>> {
    if xml.contains("<!") {
        return None;
    }
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, rest) = rest.split_once('<')?;
    let after = rest.strip_prefix('/')?.strip_prefix(name)?.strip_prefix('>')?;
    if after.contains(&format!("<{name}>")) {
        return None;
    }
    let mut unescaped = Zeroizing::new(String::with_capacity(text.len()));
    let mut pieces = text.split('&');
    unescaped.push_str(pieces.next()?);
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        unescaped.push(entity(name)?);
        unescaped.push_str(rest);
    }
    let text = unescaped.trim();
    (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
}

/// What is in each element with this name, in order. The elements have no attributes and are not in one another.
#[cfg(feature = "bulk")]
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (inside, after) = rest.split_once(&*open)?.1.split_once(&*close)?;
        rest = after;
        Some(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_read_strictly() {
        for (xml, expected) in [
            ("<R xmlns=\"x\"><A>b</A></R>", Some("b")),
            ("<R><A>\n a&amp;b&lt;&gt;&quot;&apos;&#65;&#x42; </A></R>", Some("a&b<>\"'AB")),
            ("<R><AA>b</AA></R>", None),
            ("<R><A>b</R>", None),
            ("<R><A>b", None),
            ("<R><A><B>b</B></A></R>", None),
            ("<R><A>1</A><A>2</A></R>", None),
            ("<R><!-- <A>b</A> --></R>", None),
            ("<!DOCTYPE R><R><A>b</A></R>", None),
            ("<R><A><![CDATA[b]]></A></R>", None),
            ("<R><A>&unknown;</A></R>", None),
            ("<R><A>&#xD800;</A></R>", None),
            ("<R><A>a&b</A></R>", None),
            ("<R><A> </A></R>", None),
            ("", None),
        ] {
            assert_eq!(text(xml, "A").as_ref().map(|text| text.as_str()), expected, "{xml}");
        }
    }

    #[cfg(feature = "bulk")]
    #[test]
    fn elements_are_read_one_by_one() {
        let xml = "<R><A><K>1</K></A><B><K>x</K></B><A></A><A><K>2</K></A><A><K>cut";
        assert_eq!(elements(xml, "A").collect::<Vec<_>>(), ["<K>1</K>", "", "<K>2</K>"]);
    }
}
