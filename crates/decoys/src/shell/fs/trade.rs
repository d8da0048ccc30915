//! What the services of a machine leave on its disk: web roots, databases, spools.

use model::Persona;

use super::image::Furnish;

/// Puts the trees of the persona's services into its image.
pub(crate) fn furnish(f: &mut Furnish<'_>, p: &Persona, made: i64, boot: i64) {
    let root = (0, 0);
    // Some administrators never got used to `ip` and `ss`.
    if matches!(p.distro.id.as_str(), "debian" | "ubuntu") && p.seed[12] & 3 != 0 {
        for (path, size) in [
            ("/usr/sbin/ifconfig", 80_384u64),
            ("/usr/sbin/route", 68_664),
            ("/usr/sbin/arp", 67_768),
            ("/usr/bin/netstat", 155_304),
            ("/usr/sbin/iptunnel", 22_728),
            ("/usr/sbin/mii-tool", 31_336),
            ("/usr/sbin/nameif", 18_632),
            ("/usr/sbin/rarp", 38_944),
            ("/usr/sbin/slattach", 43_176),
            ("/usr/sbin/plipconfig", 14_472),
        ] {
            f.program(path, size, 1_578_300_000);
        }
        f.dir("/usr/share/doc/net-tools", 0o755, root, made + 2000);
    }
    for s in &p.services {
        let product = s.software.product.to_ascii_lowercase();
        match s.name.as_str() {
            "http" | "https" => {
                f.dir("/var/www/html", 0o755, root, made + 5000);
                if product.contains("nginx") {
                    f.program("/usr/sbin/nginx", 1_217_000, made - 9_000_000);
                    f.file("/etc/nginx/sites-available/default", 0o644, root, made + 5000, format!("server {{\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n\troot /var/www/html;\n\tindex index.html;\n\tserver_name {};\n\tlocation / {{\n\t\ttry_files $uri $uri/ =404;\n\t}}\n}}\n", p.fqdn()));
                    f.link("/etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default", made);
                    f.file("/var/log/nginx/access.log", 0o640, (33, 4), boot, "");
                    f.file("/var/log/nginx/error.log", 0o640, (33, 4), boot, "");
                } else {
                    f.program("/usr/sbin/apache2", 740_000, made - 9_000_000);
                    f.program("/usr/sbin/apache2ctl", 7_200, made - 9_000_000);
                    f.file(
                        "/etc/apache2/ports.conf",
                        0o644,
                        root,
                        made + 5000,
                        "Listen 80\n\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n",
                    );
                    f.file("/etc/apache2/sites-available/000-default.conf", 0o644, root, made + 5000, format!("<VirtualHost *:80>\n\tServerName {}\n\tServerAdmin webmaster@{}\n\tDocumentRoot /var/www/html\n\n\tErrorLog ${{APACHE_LOG_DIR}}/error.log\n\tCustomLog ${{APACHE_LOG_DIR}}/access.log combined\n</VirtualHost>\n", p.fqdn(), p.domain));
                    f.link("/etc/apache2/sites-enabled/000-default.conf", "../sites-available/000-default.conf", made);
                    f.file("/var/log/apache2/access.log", 0o640, (0, 4), boot, "");
                    f.file("/var/log/apache2/error.log", 0o640, (0, 4), boot, "");
                }
            }
            "mysql" => {
                let own = (107, 112);
                f.dir("/var/lib/mysql", 0o755, own, boot);
                f.filler("/var/lib/mysql/ibdata1", 0o660, own, boot + 30, 12_582_912);
                f.filler("/var/lib/mysql/ib_logfile0", 0o660, own, boot + 30, 8_388_608);
                f.filler("/var/lib/mysql/aria_log_control", 0o660, own, boot, 52);
                f.dir("/var/lib/mysql/mysql", 0o700, own, made + 5000);
                f.dir("/var/lib/mysql/performance_schema", 0o700, own, made + 5000);
                f.dir("/var/lib/mysql/sys", 0o700, own, made + 5000);
                f.file("/etc/mysql/my.cnf", 0o644, root, made + 5000, "[client-server]\nsocket = /run/mysqld/mysqld.sock\n!includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/mariadb.conf.d/\n");
                f.program("/usr/sbin/mariadbd", 8_100_000, made - 9_000_000);
            }
            "redis" => {
                f.program("/usr/bin/redis-server", 1_560_000, made - 9_000_000);
                f.file("/etc/redis/redis.conf", 0o640, (108, 113), made + 5000, "bind 0.0.0.0\nprotected-mode no\nport 6379\ntcp-backlog 511\ntimeout 0\ntcp-keepalive 300\ndaemonize yes\nsupervised auto\npidfile /run/redis/redis-server.pid\nloglevel notice\nlogfile /var/log/redis/redis-server.log\ndatabases 16\nsave 900 1\nsave 300 10\nsave 60 10000\ndbfilename dump.rdb\ndir /var/lib/redis\n");
                f.dir("/var/lib/redis", 0o750, (108, 113), boot);
                f.file("/var/log/redis/redis-server.log", 0o640, (108, 4), boot + 8, "");
            }
            "ftp" => {
                f.dir("/srv/ftp", 0o755, (0, 109), made + 5000);
                if !product.contains("pro") {
                    f.program("/usr/sbin/vsftpd", 170_000, made - 9_000_000);
                    f.file("/etc/vsftpd.conf", 0o644, root, made + 5000, "listen=NO\nlisten_ipv6=YES\nanonymous_enable=NO\nlocal_enable=YES\nwrite_enable=YES\ndirmessage_enable=YES\nuse_localtime=YES\nxferlog_enable=YES\nconnect_from_port_20=YES\nsecure_chroot_dir=/var/run/vsftpd/empty\npam_service_name=vsftpd\n");
                    f.file("/var/log/vsftpd.log", 0o600, root, boot, "");
                }
            }
            "smtp" => {
                f.program("/usr/sbin/postfix", 18_500, made - 9_000_000);
                f.program("/usr/sbin/sendmail", 30_800, made - 9_000_000);
                f.file("/etc/postfix/main.cf", 0o644, root, made + 5000, format!("smtpd_banner = $myhostname ESMTP $mail_name\nbiff = no\nappend_dot_mydomain = no\nreadme_directory = no\ncompatibility_level = 3.6\nmyhostname = {}\nmyorigin = /etc/mailname\nmydestination = $myhostname, {}, localhost.localdomain, localhost\nrelayhost =\nmynetworks = 127.0.0.0/8\ninet_interfaces = all\n", p.fqdn(), p.domain));
                f.file("/etc/mailname", 0o644, root, made + 5000, format!("{}\n", p.fqdn()));
                f.dir("/var/spool/postfix", 0o755, root, made + 5000);
            }
            "imap" | "pop3" => {
                f.program("/usr/sbin/dovecot", 141_000, made - 9_000_000);
                f.program("/usr/bin/doveadm", 1_020_000, made - 9_000_000);
                f.file(
                    "/etc/dovecot/dovecot.conf",
                    0o644,
                    root,
                    made + 5000,
                    "!include_try /usr/share/dovecot/protocols.d/*.protocol\n!include conf.d/*.conf\n!include_try local.conf\n",
                );
                f.file(
                    "/etc/dovecot/conf.d/10-mail.conf",
                    0o644,
                    root,
                    made + 5000,
                    "mail_location = mbox:~/mail:INBOX=/var/mail/%u\nnamespace inbox {\n  inbox = yes\n}\nmail_privileged_group = mail\n",
                );
                f.file(
                    "/etc/dovecot/conf.d/10-auth.conf",
                    0o644,
                    root,
                    made + 5000,
                    "disable_plaintext_auth = no\nauth_mechanisms = plain login\n!include auth-system.conf.ext\n",
                );
            }
            "telnet" if p.distro.id == "alpine" => {
                f.program("/bin/busybox-extras", 67_680, made - 9_000_000);
                f.link("/usr/sbin/telnetd", "/bin/busybox-extras", made + 5000);
            }
            "telnet" => {
                f.program("/usr/sbin/telnetd", 150_536, made - 9_000_000);
                f.file(
                    "/etc/inetd.conf",
                    0o644,
                    root,
                    made + 5000,
                    "telnet\tstream\ttcp\tnowait\troot\t/usr/sbin/tcpd\t/usr/sbin/telnetd\n",
                );
            }
            _ => {}
        }
    }
}
