//! The version of the REST API that requests name, and the notice with which a server announces its end.

use http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

/// Value of `X-GitHub-Api-Version`.
pub(crate) const API_VERSION: &str = "2022-11-28";

/// Header of RFC 8594.
pub(super) const SUNSET: &str = "sunset";
/// Header of RFC 9745.
pub(super) const DEPRECATION: &str = "deprecation";

/// Notice in the headers of a response. The smallest one is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VersionNotice {
    /// The server stops serving the version.
    Sunset(NoticeDate),
    /// The server advises against the version.
    Deprecated(NoticeDate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoticeDate {
    /// In UTC.
    On(Date),
    /// The header has no date that can be parsed.
    Unknown,
}

impl VersionNotice {
    pub(super) fn parse(headers: &HeaderMap) -> Option<Self> {
        let sunset = NoticeDate::parse(headers, SUNSET).map(Self::Sunset);
        sunset.or_else(|| NoticeDate::parse(headers, DEPRECATION).map(Self::Deprecated))
    }
}

impl NoticeDate {
    /// Parses an HTTP date, or `@` and Unix seconds. `true` is a notice without a date: drafts of RFC 9745 had it.
    fn parse(headers: &HeaderMap, name: &str) -> Option<Self> {
        let value = headers.get(name)?.to_str().unwrap_or("not ASCII").trim();
        if matches!(value, "" | "false" | "?0") {
            return None;
        }
        let time = match value.strip_prefix('@') {
            Some(seconds) => seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
            None => DateTimeParser::new().parse_timestamp(value).ok(),
        };
        Some(time.map_or(Self::Unknown, |time| Self::On(time.to_zoned(TimeZone::UTC).date())))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn notice(headers: &[(&'static str, &str)]) -> Option<VersionNotice> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        VersionNotice::parse(&headers.collect())
    }

    #[test]
    fn each_form_of_a_notice_is_parsed() {
        let day = NoticeDate::On(date(2028, 3, 10));
        for (value, date) in [
            ("Fri, 10 Mar 2028 00:00:00 GMT", day),
            ("@1836259200", day),
            ("true", NoticeDate::Unknown),
            ("soon", NoticeDate::Unknown),
            ("@", NoticeDate::Unknown),
            ("@99999999999999999999", NoticeDate::Unknown),
        ] {
            assert_eq!(notice(&[("sunset", value)]), Some(VersionNotice::Sunset(date)), "{value}");
            assert_eq!(notice(&[("deprecation", value)]), Some(VersionNotice::Deprecated(date)), "{value}");
        }
        for value in ["", "false", "?0"] {
            assert_eq!(notice(&[("sunset", value), ("deprecation", value)]), None, "{value}");
        }
        assert_eq!(notice(&[("etag", "true")]), None);
    }

    #[test]
    fn the_end_is_more_urgent_than_a_deprecation() {
        let both = notice(&[("deprecation", "@0"), ("sunset", "@1836259200")]);
        let sunset = VersionNotice::Sunset(NoticeDate::On(date(2028, 3, 10)));
        assert_eq!(both, Some(sunset));
        let later = VersionNotice::Sunset(NoticeDate::On(date(2029, 3, 10)));
        let undated = VersionNotice::Sunset(NoticeDate::Unknown);
        let deprecated = VersionNotice::Deprecated(NoticeDate::On(date(2020, 1, 1)));
        assert!([sunset, later, undated, deprecated].is_sorted());
    }
}
