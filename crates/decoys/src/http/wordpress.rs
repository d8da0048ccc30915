//! A WordPress site: front page, log-in that keeps state, XML-RPC, REST root.

use bytes::Bytes;
use model::Micros;
use rand::RngExt;

use super::{
    credentials::fields,
    dialogue::{Conn, cookie, query_field},
    message::{Answer, Head, escaped},
    scene::{Site, stamp},
};
use crate::Visit;

struct Blog {
    version: String,
    theme: &'static str,
    title: String,
    admin: String,
    posts: Vec<(u32, String, String)>,
    /// Hash of the site's address, part of cookie names.
    hash: String,
    base: String,
}

fn blog(visit: &Visit, site: &Site, conn: &Conn<'_>) -> Blog {
    let mut rng = visit.derived_rng("http/wordpress");
    let pick = |rng: &mut rand_chacha::ChaCha12Rng, list: &[&'static str]| {
        list.get(rng.random_range(0..list.len().max(1))).copied().unwrap_or_default()
    };
    let version = format!("6.{}.{}", rng.random_range(2..7), rng.random_range(1..4));
    let theme = pick(&mut rng, &["twentytwentyone", "twentytwentytwo", "twentytwentythree", "astra", "generatepress", "oceanwp"]);
    let title = format!("{}{}", site.company, pick(&mut rng, &["", " Blog", " News", " – Insights"]));
    let admin =
        visit.persona.accounts.iter().find(|a| a.sudo && a.password.is_some()).map_or_else(|| "admin".to_owned(), |a| a.name.clone());
    let mut posts = Vec::new();
    let mut id = rng.random_range(5..90);
    for _ in 0..3 {
        id += rng.random_range(3..60);
        let subject = pick(
            &mut rng,
            &[
                "Opening hours over the holidays",
                "We are hiring",
                "Meet us at the trade fair",
                "New colleagues in the team",
                "A look behind the scenes",
                "Our new storage hall",
                "Service windows this quarter",
                "Thank you for ten years",
            ],
        );
        let text = pick(
            &mut rng,
            &[
                "More details will follow here soon.",
                "Get in touch if you have questions.",
                "We look forward to seeing you.",
                "The team is happy to help.",
            ],
        );
        posts.push((id, subject.to_owned(), text.to_owned()));
    }
    let scheme = if visit.tls { "https" } else { "http" };
    let default = if visit.tls { 443 } else { 80 };
    let base = if conn.port == default { format!("{scheme}://{}", conn.host) } else { format!("{scheme}://{}:{}", conn.host, conn.port) };
    let hash = hex::encode(visit.derive("http/wordpress/cookie").get(..16).unwrap_or_default());
    Blog { version, theme, title, admin, posts, hash, base }
}

/// Ten hexadecimal digits that change twice a day, as WordPress nonces do.
fn nonce(visit: &Visit, action: &str, now: Micros) -> String {
    let tick = now.seconds() / 43_200;
    hex::encode(visit.derive(&format!("http/wordpress/nonce/{action}/{tick}")).get(..5).unwrap_or_default())
}

const PHP: &str = "text/html; charset=UTF-8";

fn html(status: u16, before: Vec<(&'static str, String)>, body: String) -> Answer {
    Answer { status, before, after: vec![("Vary", "Accept-Encoding".into())], kind: PHP.into(), body: body.into(), ..Answer::default() }
}

fn no_cache() -> Vec<(&'static str, String)> {
    vec![("Expires", "Wed, 11 Jan 1984 05:00:00 GMT".into()), ("Cache-Control", "no-cache, must-revalidate, max-age=0".into())]
}

/// The application's answer, if the path is its own.
#[expect(clippy::too_many_arguments, reason = "a request has this many sides")]
pub(super) fn page(
    visit: &Visit,
    site: &Site,
    head: &Head,
    path: &[u8],
    query: &[u8],
    body: &Bytes,
    conn: &Conn<'_>,
    now: Micros,
) -> Option<Answer> {
    if !matches!(head.method.as_ref(), b"GET" | b"HEAD" | b"POST") {
        return None;
    }
    let blog = blog(visit, site, conn);
    let post = head.method.as_ref() == b"POST";
    let path = String::from_utf8_lossy(path).into_owned();
    let session = cookie(head, &format!("wordpress_logged_in_{}", blog.hash))
        .filter(|c| visit.memory.get(&format!("http/wp/{}", digest(visit, c))).is_some());
    match path.as_str() {
        "/" | "/index.php" if query_field(query, "author").is_some_and(|a| a == b"1") => {
            let to = format!("{}/author/{}/", blog.base, blog.admin);
            Some(html(301, vec![("X-Redirect-By", "WordPress".into()), ("Location", to)], String::new()))
        }
        "/" | "/index.php" => Some(html(200, vec![("Link", format!("<{}/wp-json/>; rel=\"https://api.w.org/\"", blog.base))], front(&blog))),
        "/wp-login.php" => Some(login(visit, &blog, head, query, body, post, now)),
        "/wp-admin" => {
            let to = format!("{}/wp-admin/", blog.base);
            Some(Answer { before: vec![("Location", to)], ..Answer::error(301) })
        }
        p if p == "/wp-admin/" || p == "/wp-admin/index.php" || p.starts_with("/wp-admin/") && p.ends_with(".php") && !p.ends_with("admin-ajax.php") => {
            if session.is_some() {
                return Some(html(200, no_cache(), dashboard(&blog)));
            }
            let to = format!("{}/wp-login.php?redirect_to={}&reauth=1", blog.base, encode(&format!("{}{p}", blog.base)));
            let mut headers = no_cache();
            headers.extend([("X-Redirect-By", "WordPress".to_owned()), ("Location", to)]);
            Some(html(302, headers, String::new()))
        }
        "/wp-admin/admin-ajax.php" => {
            let mut headers = no_cache();
            headers.insert(0, ("X-Robots-Tag", "noindex".into()));
            headers.push(("X-Content-Type-Options", "nosniff".into()));
            Some(html(400, headers, "0".into()))
        }
        "/xmlrpc.php" => Some(xmlrpc(&blog, body, post)),
        "/readme.html" => Some(html(200, Vec::new(), format!("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n\t<title>WordPress &#8250; ReadMe</title>\n</head>\n<body>\n<h1>WordPress</h1>\n<p>Version {}</p>\n</body>\n</html>\n", blog.version.rsplit_once('.').map_or("6", |(v, _)| v)))),
        "/wp-json" | "/wp-json/" => Some(json(200, format!("{{\"name\":\"{}\",\"description\":\"\",\"url\":\"{}\",\"home\":\"{1}\",\"gmt_offset\":\"0\",\"timezone_string\":\"\",\"namespaces\":[\"oembed\\/1.0\",\"wp\\/v2\",\"wp-site-health\\/v1\",\"wp-block-editor\\/v1\"],\"authentication\":{{}}}}", blog.title.replace('"', ""), blog.base.replace('/', "\\/")))),
        "/wp-json/wp/v2/users" | "/wp-json/wp/v2/users/" => Some(json(200, format!("[{{\"id\":1,\"name\":\"{0}\",\"url\":\"\",\"description\":\"\",\"link\":\"{1}\\/author\\/{0}\\/\",\"slug\":\"{0}\"}}]", blog.admin, blog.base.replace('/', "\\/")))),
        p if p.starts_with("/wp-json/") => Some(json(404, "{\"code\":\"rest_no_route\",\"message\":\"No route was found matching the URL and request method.\",\"data\":{\"status\":404}}".into())),
        "/wp-content/" | "/wp-content/plugins/" | "/wp-content/themes/" | "/wp-cron.php" => Some(html(200, Vec::new(), String::new())),
        "/feed/" => Some(Answer {
            status: 200,
            kind: "application/rss+xml; charset=UTF-8".into(),
            body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\">\n<channel>\n\t<title>{}</title>\n\t<link>{}</link>\n\t<generator>https://wordpress.org/?v={}</generator>\n</channel>\n</rss>\n", escaped(blog.title.as_bytes()), blog.base, blog.version).into(),
            ..Answer::default()
        }),
        p if p == format!("/author/{}/", blog.admin) => Some(html(200, Vec::new(), front(&blog))),
        p if p.ends_with(".php") || p.starts_with("/wp-") || p.starts_with("/.") || p.starts_with("/icons") || p.starts_with("/server-status") => None,
        _ => {
            let mut headers = no_cache();
            headers.push(("Link", format!("<{}/wp-json/>; rel=\"https://api.w.org/\"", blog.base)));
            Some(html(404, headers, shell(&blog, "Page not found", "<h1>Oops! That page can&rsquo;t be found.</h1>\n")))
        }
    }
}

fn json(status: u16, body: String) -> Answer {
    Answer {
        status,
        before: vec![
            ("X-Robots-Tag", "noindex".into()),
            ("X-Content-Type-Options", "nosniff".into()),
            ("Access-Control-Expose-Headers", "X-WP-Total, X-WP-TotalPages, Link".into()),
            ("Allow", "GET".into()),
        ],
        kind: "application/json; charset=UTF-8".into(),
        body: body.into(),
        ..Answer::default()
    }
}

fn shell(blog: &Blog, title: &str, main: &str) -> String {
    let name = escaped(blog.title.as_bytes());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head>\n<meta charset=\"UTF-8\" />\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>{title} &#8211; {name}</title>\n<link rel=\"alternate\" type=\"application/rss+xml\" title=\"{name} &raquo; Feed\" href=\"{base}/feed/\" />\n<link rel='stylesheet' id='{theme}-style-css' href='{base}/wp-content/themes/{theme}/style.css?ver={version}' media='all' />\n<link rel=\"https://api.w.org/\" href=\"{base}/wp-json/\" /><link rel=\"EditURI\" type=\"application/rsd+xml\" title=\"RSD\" href=\"{base}/xmlrpc.php?rsd\" />\n<meta name=\"generator\" content=\"WordPress {version}\" />\n</head>\n<body class=\"home blog wp-embed-responsive\">\n<header><p class=\"site-title\"><a href=\"{base}/\" rel=\"home\">{name}</a></p></header>\n<main id=\"content\">\n{main}</main>\n</body>\n</html>\n",
        base = blog.base,
        theme = blog.theme,
        version = blog.version
    )
}

fn front(blog: &Blog) -> String {
    let posts: String = blog
        .posts
        .iter()
        .rev()
        .map(|(id, subject, text)| format!("<article id=\"post-{id}\" class=\"post-{id} post type-post status-publish\"><h2 class=\"entry-title\"><a href=\"{}/?p={id}\" rel=\"bookmark\">{subject}</a></h2><p>{text}</p></article>\n", blog.base))
        .collect();
    shell(blog, "Home", &posts)
}

fn dashboard(blog: &Blog) -> String {
    let name = escaped(blog.title.as_bytes());
    format!(
        "<!DOCTYPE html>\n<html class=\"wp-toolbar\" lang=\"en-US\">\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n<title>Dashboard &lsaquo; {name} &#8212; WordPress</title>\n</head>\n<body class=\"wp-admin wp-core-ui no-js index-php\">\n<div id=\"wpwrap\"><div id=\"adminmenumain\"><ul id=\"adminmenu\"><li><a href='index.php'>Dashboard</a></li><li><a href='edit.php'>Posts</a></li><li><a href='upload.php'>Media</a></li><li><a href='plugins.php'>Plugins</a></li><li><a href='users.php'>Users</a></li></ul></div>\n<div id=\"wpbody-content\"><h1>Dashboard</h1><p>WordPress {} running <a href=\"themes.php\">{}</a> theme.</p></div></div>\n</body>\n</html>\n",
        blog.version, blog.theme
    )
}

fn login(visit: &Visit, blog: &Blog, head: &Head, query: &[u8], body: &Bytes, post: bool, now: Micros) -> Answer {
    let path = "path=/";
    let mut headers = no_cache();
    headers.push(("Set-Cookie", format!("wordpress_test_cookie=WP%20Cookie%20check; {path}; HttpOnly")));
    headers.push(("X-Frame-Options", "SAMEORIGIN".into()));
    let form = fields(body);
    let field = |name: &str| form.iter().find(|(k, _)| k == name.as_bytes()).map(|(_, v)| String::from_utf8_lossy(v).into_owned());
    let redirect =
        query_field(query, "redirect_to").map_or_else(|| format!("{}/wp-admin/", blog.base), |r| String::from_utf8_lossy(&r).into_owned());
    let (user, password) = (field("log").unwrap_or_default(), field("pwd").unwrap_or_default());
    let mut error = String::new();
    if post && query_field(query, "action").is_none_or(|a| a == b"login") {
        let account = visit.persona.account(user.as_bytes()).filter(|_| user == blog.admin);
        if account.is_some_and(|a| a.password.as_deref() == Some(password.as_str())) {
            let expires = now.seconds() + 172_800;
            let token = hex::encode(visit.derive(&format!("http/wordpress/session/{}", now.0)));
            let value = format!("{user}%7C{expires}%7C{}%7C{token}", token.get(..43).unwrap_or_default());
            visit.memory.set(&format!("http/wp/{}", digest(visit, &value)), stamp(now));
            headers.push(("Set-Cookie", format!("wordpress_{}={value}; path=/wp-content/plugins; HttpOnly", blog.hash)));
            headers.push(("Set-Cookie", format!("wordpress_{}={value}; path=/wp-admin; HttpOnly", blog.hash)));
            headers.push(("Set-Cookie", format!("wordpress_logged_in_{}={value}; path=/; HttpOnly", blog.hash)));
            headers.push(("X-Redirect-By", "WordPress".into()));
            headers.push((
                "Location",
                field("redirect_to").filter(|r| r.starts_with(&blog.base)).unwrap_or_else(|| format!("{}/wp-admin/", blog.base)),
            ));
            return html(302, headers, String::new());
        }
        let text = if cookie(head, "wordpress_test_cookie").is_none() && field("testcookie").is_some() {
            "<strong>Error:</strong> Cookies are blocked or not supported by your browser. You must <a href=\"https://developer.wordpress.org/advanced-administration/wordpress/cookies/\">enable cookies</a> to use WordPress.".to_owned()
        } else if user.is_empty() {
            "<strong>Error:</strong> The username field is empty.".to_owned()
        } else if password.is_empty() {
            "<strong>Error:</strong> The password field is empty.".to_owned()
        } else if user != blog.admin {
            format!(
                "<strong>Error:</strong> The username <strong>{}</strong> is not registered on this site. If you are unsure of your username, try your email address instead.",
                escaped(user.as_bytes())
            )
        } else {
            format!(
                "<strong>Error:</strong> The password you entered for the username <strong>{}</strong> is incorrect. <a href=\"{}/wp-login.php?action=lostpassword\">Lost your password?</a>",
                escaped(user.as_bytes()),
                blog.base
            )
        };
        error = format!("<div id=\"login_error\" class=\"notice notice-error\"><p>{text}</p></div>");
    }
    let name = escaped(blog.title.as_bytes());
    let shown = escaped(user.as_bytes());
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n<title>Log In &lsaquo; {name} &#8212; WordPress</title>\n<meta name='robots' content='max-image-preview:large, noindex, noarchive' />\n<link rel='stylesheet' id='login-css' href='{base}/wp-admin/css/login.min.css?ver={version}' media='all' />\n<meta name='referrer' content='strict-origin-when-cross-origin' />\n<meta name=\"viewport\" content=\"width=device-width\" />\n</head>\n<body class=\"login no-js login-action-login wp-core-ui  locale-en-us\">\n<div id=\"login\">\n<h1><a href=\"https://wordpress.org/\">Powered by WordPress</a></h1>\n{error}\n<form name=\"loginform\" id=\"loginform\" action=\"{base}/wp-login.php\" method=\"post\">\n<p><label for=\"user_login\">Username or Email Address</label>\n<input type=\"text\" name=\"log\" id=\"user_login\" class=\"input\" value=\"{shown}\" size=\"20\" autocapitalize=\"off\" autocomplete=\"username\" required=\"required\" /></p>\n<div class=\"user-pass-wrap\"><label for=\"user_pass\">Password</label>\n<input type=\"password\" name=\"pwd\" id=\"user_pass\" class=\"input password-input\" value=\"\" size=\"20\" autocomplete=\"current-password\" spellcheck=\"false\" required=\"required\" /></div>\n<p class=\"forgetmenot\"><input name=\"rememberme\" type=\"checkbox\" id=\"rememberme\" value=\"forever\"  /> <label for=\"rememberme\">Remember Me</label></p>\n<p class=\"submit\"><input type=\"submit\" name=\"wp-submit\" id=\"wp-submit\" class=\"button button-primary button-large\" value=\"Log In\" />\n<input type=\"hidden\" name=\"redirect_to\" value=\"{redirect}\" />\n<input type=\"hidden\" name=\"testcookie\" value=\"1\" /></p>\n</form>\n<p id=\"nav\"><a href=\"{base}/wp-login.php?action=lostpassword\">Lost your password?</a></p>\n<p id=\"backtoblog\"><a href=\"{base}/\">&larr; Go to {name}</a></p>\n</div>\n<script>var wpn = \"{nonce}\";</script>\n</body>\n</html>\n",
        base = blog.base,
        version = blog.version,
        redirect = escaped(redirect.as_bytes()),
        nonce = nonce(visit, "login", now)
    );
    html(200, headers, page)
}

fn xmlrpc(blog: &Blog, body: &Bytes, post: bool) -> Answer {
    if !post {
        return Answer {
            status: 405,
            before: vec![("Allow", "POST".into())],
            kind: "text/plain;charset=UTF-8".into(),
            body: Bytes::from_static(b"XML-RPC server accepts POST requests only."),
            ..Answer::default()
        };
    }
    let text = String::from_utf8_lossy(body).into_owned();
    let method = text.split("<methodName>").nth(1).and_then(|t| t.split("</methodName>").next()).unwrap_or_default().trim().to_owned();
    let fault = |code: i32, why: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>\n  <fault>\n    <value>\n      <struct>\n        <member>\n          <name>faultCode</name>\n          <value><int>{code}</int></value>\n        </member>\n        <member>\n          <name>faultString</name>\n          <value><string>{why}</string></value>\n        </member>\n      </struct>\n    </value>\n  </fault>\n</methodResponse>\n"
        )
    };
    let answer = match method.as_str() {
        "" => fault(-32700, "parse error. not well formed"),
        "demo.sayHello" => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>\n  <params>\n    <param>\n      <value>\n      <string>Hello!</string>\n      </value>\n    </param>\n  </params>\n</methodResponse>\n".to_owned(),
        "system.listMethods" => {
            let list: String = ["system.multicall", "system.listMethods", "system.getCapabilities", "demo.addTwoNumbers", "demo.sayHello", "pingback.extensions.getPingbacks", "pingback.ping", "wp.getUsersBlogs", "wp.newPost", "wp.getPosts", "wp.getUsers", "wp.uploadFile"].iter().map(|m| format!("  <value><string>{m}</string></value>\n")).collect();
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>\n  <params>\n    <param>\n      <value>\n      <array><data>\n{list}</data></array>\n      </value>\n    </param>\n  </params>\n</methodResponse>\n")
        }
        m if m.starts_with("wp.") || m.starts_with("blogger.") || m.starts_with("metaWeblog.") => fault(403, "Incorrect username or password."),
        "pingback.ping" => fault(0, ""),
        m => fault(-32601, &format!("server error. requested method {} does not exist.", escaped(m.as_bytes()))),
    };
    let _ = blog;
    Answer {
        status: 200,
        after: vec![("Vary", "Accept-Encoding".into())],
        kind: "text/xml; charset=UTF-8".into(),
        body: answer.into(),
        ..Answer::default()
    }
}

fn digest(visit: &Visit, value: &str) -> String {
    hex::encode(visit.derive(&format!("http/wordpress/kept/{value}")).get(..12).unwrap_or_default())
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
