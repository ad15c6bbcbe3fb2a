//! Lists that a server sends in pages, each with a link to the next.

use std::collections::HashSet;

use http::HeaderMap;
use http::header::LINK;

use super::endpoint::ApiEndpoint;

/// Upper bound on the pages of a list. GitHub's longest lists have half as many: 100,000 repositories of an account, or 100,000
/// members of an organization, 100 on a page.
const MAX_PAGES: usize = 2000;
/// Upper bound on the path and query of a page, in bytes: all of them are remembered.
const MAX_PATH_LEN: usize = 2000;

/// Reason for which the pages of a list are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaginationError {
    #[error("the next page is on another host")]
    ForeignHost,
    #[error("the next page is an earlier one")]
    Cycle,
    /// More pages than a list can have, or an empty page that is not the last.
    #[error("the list has too many pages")]
    TooManyPages,
}

/// Follows the links of one list. A server cannot make it request pages forever, or from another host.
pub(super) struct Paginator<'a> {
    endpoint: &'a ApiEndpoint,
    seen: HashSet<String>,
}

impl<'a> Paginator<'a> {
    pub(super) fn new(first_page: &str, endpoint: &'a ApiEndpoint) -> Self {
        Self { endpoint, seen: HashSet::from([first_page.to_owned()]) }
    }

    /// Returns the path of the next page, after a page with this number of items and this link.
    pub(super) fn next_page(
        &mut self,
        items: usize,
        link: Option<&str>,
    ) -> Result<Option<String>, PaginationError> {
        let Some(link) = link else { return Ok(None) };
        let path = self.endpoint.path_of(link).filter(|path| path.len() <= MAX_PATH_LEN);
        let path = path.ok_or(PaginationError::ForeignHost)?;
        if items == 0 || self.seen.len() >= MAX_PAGES {
            return Err(PaginationError::TooManyPages);
        }
        if !self.seen.insert(path.to_owned()) {
            return Err(PaginationError::Cycle);
        }
        Ok(Some(path.to_owned()))
    }
}

/// Returns the URL of the next page. The last page has none.
pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|link| parse_next_link(link.to_str().ok()?)).map(str::to_owned)
}

/// Finds the URL in `<https://…?page=2>; rel="next", <…>; rel="last"`.
fn parse_next_link(mut links: &str) -> Option<&str> {
    // A URL may contain commas; they separate links only after the closing bracket.
    while let Some((url, rest)) = links.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let (params, others) = rest.split_once(',').unwrap_or((rest, ""));
        if params.split(';').any(|param| matches!(param.trim(), r#"rel="next""# | "rel=next")) {
            return Some(url);
        }
        links = others;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_links() {
        let next = "<https://api.github.com/user/1/repos?page=3>; rel=\"next\"";
        let links =
            format!("<https://api.github.com/user/1/repos?page=1>; rel=\"prev\", {next}, <x>; rel=\"last\"");
        assert_eq!(parse_next_link(&links), Some("https://api.github.com/user/1/repos?page=3"));
        assert_eq!(parse_next_link("<https://api.github.com/user/1/repos?page=1>; rel=\"first\""), None);
        for nonsense in ["nonsense", "", "<", "<x", ">; rel=next", "<a>", "<a>, rel=next"] {
            assert_eq!(parse_next_link(nonsense), None, "{nonsense}");
        }
        assert_eq!(
            parse_next_link("<https://x/?after=a,b>; rel=\"next\", <y>; rel=\"last\""),
            Some("https://x/?after=a,b")
        );
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<a>; rel=\"last\"".parse().unwrap());
        headers.append(LINK, "<b>; rel=\"next\"".parse().unwrap());
        assert_eq!(next_link(&headers).as_deref(), Some("b"));
    }
}
