//! HTML and Markdown, as a browser reads them.

use std::collections::BTreeMap;

use comrak::{Options, markdown_to_html};
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, Spanned, Token, Tokenizer};

use super::Report;
use crate::report::{Cell, Event, Role, Row};
use crate::text::{collapse_whitespace, group_digits, sanitize_line};

/// A table of a page: its id, and the text of its cells.
#[derive(Debug, Default)]
struct Table {
    id: String,
    rows: Vec<Vec<String>>,
}

/// Tables, links and elements of a page, as a browser parses them.
#[derive(Debug, Default)]
struct Page {
    tables: Vec<Table>,
    links: Vec<String>,
    ids: Vec<String>,
    elements: BTreeMap<String, usize>,
}

impl Page {
    fn read(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let (mut page, mut is_cell) = (Self::default(), false);
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match token {
                Token::StartTag(tag) => {
                    let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(text);
                    let name = plain(&tag.name);
                    match (name.as_str(), page.tables.last_mut()) {
                        ("table", _) => {
                            let id = attribute("id").unwrap_or_default();
                            page.tables.push(Table { id, rows: Vec::new() });
                        }
                        ("tr", Some(table)) => table.rows.push(Vec::new()),
                        ("td" | "th", Some(table)) => {
                            table.rows.last_mut().expect("a cell is in a row").push(String::new());
                            is_cell = true;
                        }
                        _ => {}
                    }
                    page.ids.extend(attribute("id"));
                    page.links.extend(["href", "src"].into_iter().filter_map(attribute));
                    *page.elements.entry(name).or_default() += 1;
                }
                Token::EndTag(tag) if matches!(plain(&tag.name).as_str(), "td" | "th") => is_cell = false,
                Token::String(string) if is_cell => {
                    let cell = page.tables.last_mut().and_then(|table| table.rows.last_mut()?.last_mut());
                    cell.unwrap().push_str(&text(&string));
                }
                Token::Error(error) => panic!("{:?} in {html}", *error),
                _ => {}
            }
        }
        page
    }

    /// Returns the rows of a table without its head.
    fn body(&self, table: impl FnMut(&&Table) -> bool) -> &[Vec<String>] {
        self.tables.iter().find(table).map_or(&[], |table| &table.rows[1..])
    }

    fn has_only(&self, known: &[&str]) {
        for (name, number) in &self.elements {
            assert!(known.contains(&name.as_str()), "{number} {name}");
        }
        for link in &self.links {
            let is_known = match link.strip_prefix('#') {
                Some(id) => self.ids.iter().any(|known| known == id),
                None => link.starts_with("https://github.com/"),
            };
            assert!(is_known, "{link}");
        }
    }
}

fn plain(text: &HtmlString) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn text(text: &Spanned<HtmlString, ()>) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Asserts that a page has a row with the count for each counted account, and one with the reason for each other. No text in
/// them is an element or a link to another site.
pub(super) fn page(html: &str, report: &Report) {
    let page = Page::read(html);
    assert_eq!((page.elements["script"], page.elements["style"]), (1, 1));
    page.has_only(&[
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "main", "section",
        "dl", "div", "dt", "dd", "span", "bdi", "ul", "li", "table", "thead", "tbody", "tr", "th", "td",
        "svg", "rect", "a", "nav", "label", "input", "output", "footer", "script",
    ]);
    let here = report.rows.iter().filter(|row| !row.is_removed());
    let (counted, uncounted): (Vec<_>, Vec<_>) = here.partition(|row| row.public_repos.is_some());
    let body = |id: &str| page.body(|table| table.id == id);
    assert_eq!((body("counted").len(), body("uncounted").len()), (counted.len(), uncounted.len()));
    // The head of the table tells which columns are shown; the login is first, and the reason third.
    let head = page.tables.iter().find(|table| table.id == "counted").map(|table| table.rows[0].clone());
    let place = head.and_then(|head| head.iter().position(|name| name == "Public repos"));
    for (cells, row) in body("counted").iter().zip(counted) {
        assert_eq!(cells[0], row.login);
        assert_eq!(cells[place.unwrap()], group_digits(row.public_repos.unwrap()));
        carried(cells, row);
    }
    for (cells, row) in body("uncounted").iter().zip(uncounted) {
        assert_eq!(cells[0], row.login);
        assert_eq!(cells[2], row.error.as_deref().unwrap_or("–"));
        carried(cells, row);
    }
}

fn carried(cells: &[String], row: &Row) {
    for text in row.carried.iter().flatten() {
        // A browser has one kind of line end.
        let text = text.replace("\r\n", "\n");
        assert!(cells.contains(&text), "{text:?} is not in {cells:?}");
    }
}

/// Renders Markdown as GitHub does.
pub(crate) fn rendered(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.render.r#unsafe = true;
    markdown_to_html(markdown, &options)
}

/// Asserts that rendered Markdown has the same rows in three tables, events first, and no markup from a row.
pub(super) fn markdown(markdown: &str, report: &Report) {
    let page = Page::read(&rendered(markdown));
    page.has_only(&[
        "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "a", "details", "summary", "sub",
        "div",
    ]);
    let is_event = |row: &&Row| row.is_removed() || row.event.is_some_and(|event| event != Event::Unknown);
    let events: Vec<_> = report.rows.iter().filter(is_event).collect();
    let here = report.rows.iter().filter(|row| !row.is_removed());
    let (counted, uncounted): (Vec<_>, Vec<_>) = here.partition(|row| row.public_repos.is_some());
    // The other tables are sums.
    let mut tables = page.tables.iter().filter(|table| table.rows[0][0] == "Login");
    let mut body = |rows: &[&Row]| -> &[Vec<String>] {
        if rows.is_empty() { &[] } else { tables.next().map_or(&[], |table| &table.rows[1..]) }
    };
    let (events_shown, uncounted_shown, counted_shown) = (body(&events), body(&uncounted), body(&counted));
    assert!(tables.next().is_none(), "{markdown}");
    assert_eq!(events_shown.len(), events.len());
    for (cells, row) in events_shown.iter().zip(&events) {
        same(&cells[0], &row.login);
    }
    assert_eq!(uncounted_shown.len(), uncounted.len());
    for (cells, row) in uncounted_shown.iter().zip(&uncounted) {
        same(&cells[0], &row.login);
        same(&cells[2], row.error.as_deref().unwrap_or("–"));
    }
    // Its last row is the sum.
    assert_eq!(counted_shown.len(), if counted.is_empty() { 0 } else { counted.len() + 1 });
    let middle: Vec<_> = report.columns.iter().filter(|column| column.role() == Role::Extra).collect();
    for (cells, row) in counted_shown.iter().zip(&counted) {
        same(&cells[0], &row.login);
        let count = group_digits(row.public_repos.unwrap());
        assert!(cells.contains(&count), "{count} is not in {cells:?}");
        for column in &middle {
            if let Cell::Text(text) = row.cell(column) {
                assert!(
                    cells.iter().any(|cell| squeezed(cell) == squeezed(&shown(&text))),
                    "{text:?}: {cells:?}"
                );
            }
        }
    }
}

fn same(cell: &str, text: &str) {
    assert_eq!(squeezed(cell), squeezed(&sanitize_line(text)));
}

fn shown(text: &str) -> String {
    sanitize_line(&collapse_whitespace(text)).into_owned()
}

/// Markdown ignores white space at the ends of a cell, and repeated spaces.
fn squeezed(text: &str) -> String {
    collapse_whitespace(text)
}
