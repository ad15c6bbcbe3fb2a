use super::*;

#[test]
fn routes_are_spelled_out_below_the_origin() {
    assert_eq!(Api::default().rest("/users/a"), "/users/a");
    let test = Api::parse("http://127.0.0.1:8099").unwrap();
    assert_eq!((test.origin(), test.rest("/users/a")), ("http://127.0.0.1:8099", "/users/a".into()));
    let enterprise = Api::parse("https://git.example.com/api/v3/").unwrap();
    assert!(enterprise.is_enterprise() && !test.is_enterprise());
    assert_eq!(enterprise.rest("/users/a"), "/api/v3/users/a");
    assert_eq!(enterprise.graphql(), "/api/graphql");
    assert_eq!(test.graphql(), "/graphql");
    assert_eq!(Api::parse("http://gateway/github/").unwrap().graphql(), "/github/graphql");
    assert_eq!(test.route("http://127.0.0.1:8099/users/a/repos?page=2"), Some("/users/a/repos?page=2"));
    assert_eq!(test.route("http://127.0.0.1:80991/x"), None);
    assert_eq!(test.route("https://elsewhere/x"), None);
    let gateway = Api::parse("http://gateway/github").unwrap();
    assert_eq!(gateway.route("http://gateway/github/users/a?b=../c"), Some("/github/users/a?b=../c"));
    for neighbour in
        ["admin", "githubs/x", "github", "github/../admin", "github/%2E%2e/admin", "github/.\\../admin"]
    {
        assert_eq!(gateway.route(&format!("http://gateway/{neighbour}")), None, "{neighbour}");
    }
    assert!(gateway.is("/github/user", "/user") && !gateway.is("/github/users/user", "/user"));
    assert_eq!(enterprise.to_string(), "https://git.example.com/api/v3");
}

#[test]
fn every_kind_of_host_has_its_routes_and_its_profiles() {
    for (host, rest, graphql, site, githubs) in [
        ("github.com", "https://api.github.com", "/graphql", "github.com", true),
        ("github.com:443", "https://api.github.com", "/graphql", "github.com", true),
        ("GitHub.com", "https://api.github.com", "/graphql", "github.com", true),
        ("https://github.com/", "https://api.github.com", "/graphql", "github.com", true),
        (" HTTPS://acme.ghe.com// ", "https://api.acme.ghe.com", "/graphql", "acme.ghe.com", true),
        ("acme.ghe.com", "https://api.acme.ghe.com", "/graphql", "acme.ghe.com", true),
        ("git.example.com", "https://git.example.com/api/v3", "/api/graphql", "git.example.com", false),
        (
            "git.example.com:8443",
            "https://git.example.com:8443/api/v3",
            "/api/graphql",
            "git.example.com:8443",
            false,
        ),
    ] {
        let api = Api::of_host(host).unwrap();
        assert_eq!((api.to_string(), api.graphql(), api.site()), (rest.into(), graphql.into(), site));
        assert_eq!((api.is_githubs(), api.is_enterprise()), (githubs, !githubs), "{host}");
    }
    for wrong in [
        "",
        "https://",
        "http://git.example.com",
        "https://https://github.com",
        "https://github.com/?x",
        "github.com/acme",
        "a b",
        "me@host",
        "host:port",
        "x:99999",
        ".ghe.com",
        "a..b",
        "*",
        "github.com:8443",
        "a.ghe.com:1",
        "[::1]",
    ] {
        assert!(Api::of_host(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for url in [
        "",
        "api.github.com",
        "ftp://a",
        "http://",
        "https://a b",
        "/users",
        "http://:80",
        "http://h:99999",
        "http://300.1.1.1",
        "mailto:a@b.c",
    ] {
        assert!(matches!(Api::parse(url), Err(NotAnApi::NotAnAddress)), "{url}");
    }
    assert!(matches!(Api::parse("https://me:secret@host"), Err(NotAnApi::UserInfo)));
    assert!(matches!(Api::parse("https://host/?x=1"), Err(NotAnApi::Query)));
}

#[test]
fn a_token_goes_out_in_the_clear_to_this_machine_alone() {
    for url in ["https://api.github.com", "http://127.0.0.1:1", "http://localhost:80", "http://[::1]:8099"] {
        assert!(Api::parse(url).unwrap().is_safe_for_tokens(), "{url}");
    }
    for url in [
        "http://api.github.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
    ] {
        assert!(!Api::parse(url).unwrap().is_safe_for_tokens(), "{url}");
    }
}

#[test]
fn a_server_url_names_the_api_of_its_server() {
    for (url, api) in [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com/", "https://api.acme.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
        ("HTTP://127.0.0.1:8099/", "http://127.0.0.1:8099/api/v3"),
        ("git.example.com", "https://git.example.com/api/v3"),
    ] {
        assert_eq!(Api::of_server_url(url).unwrap().to_string(), api, "{url}");
    }
    for url in [
        "",
        "http://",
        "ftp://git.example.com",
        "http://github.com",
        "http://acme.ghe.com",
        "http://https://git.example.com",
        "https://git.example.com/path",
        "http://me:secret@git.example.com",
    ] {
        assert!(Api::of_server_url(url).is_err(), "{url}");
    }
}
