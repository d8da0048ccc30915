//! The programs of the machine, one line each in [`TABLE`].

mod archive;
mod awk;
pub(crate) mod busybox;
mod data;
mod date;
mod disk;
mod files;
mod find;
mod grep;
mod ls;
mod misc;
pub(crate) mod mode;
pub(crate) mod net;
mod network;
mod opts;
mod people;
pub(crate) mod printf;
pub(crate) mod regex;
mod sed;
pub(crate) mod shells;
pub(crate) mod signals;
mod system;
mod text;

use super::{kernel::Boxed, proc::Proc};

/// How a program runs: to its end at once, or waiting for input and time.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Now(fn(&mut Proc) -> i32),
    Waits(for<'a> fn(&'a mut Proc) -> Boxed<'a, i32>),
}

/// A program.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// A program that is there but has nothing to say.
pub(crate) static SILENT: Command = Command { name: "", run: Run::Now(misc::nothing) };

/// The program called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    let at = TABLE.binary_search_by(|c| c.name.cmp(name)).ok()?;
    TABLE.get(at)
}

macro_rules! table {
    ($($name:literal $kind:ident $path:path;)*) => {
        /// Every program, alphabetical.
        pub(crate) static TABLE: &[Command] = &[$(table!(@ $name $kind $path)),*];
    };
    (@ $name:literal now $path:path) => { Command { name: $name, run: Run::Now($path) } };
    (@ $name:literal waits $path:path) => { Command { name: $name, run: Run::Waits(|p| Box::pin($path(p))) } };
}

table! {
    "[" waits text::builtin;
    "addgroup" waits people::useradd;
    "adduser" waits people::useradd;
    "apk" waits misc::packages;
    "apt" waits misc::packages;
    "apt-cache" waits misc::packages;
    "apt-get" waits misc::packages;
    "arch" waits system::uname;
    "arp" waits network::route;
    "ash" waits shells::main;
    "awk" waits awk::awk;
    "base64" waits data::base64;
    "basename" waits files::basename;
    "bash" waits shells::main;
    "blkid" waits disk::lsblk;
    "busybox" waits busybox::main;
    "cat" waits text::cat;
    "chattr" waits files::attr;
    "chgrp" waits files::chown;
    "chmod" waits files::chmod;
    "chown" waits files::chown;
    "chpasswd" waits people::chpasswd;
    "chroot" waits misc::wrap;
    "cksum" waits data::cksum;
    "clear" waits misc::clear;
    "cmp" waits archive::diff;
    "cp" waits files::cp;
    "crontab" waits people::crontab;
    "curl" waits network::curl;
    "cut" waits text::cut;
    "dash" waits shells::main;
    "date" waits date::date;
    "dd" waits data::dd;
    "deluser" waits people::useradd;
    "df" waits disk::df;
    "diff" waits archive::diff;
    "dig" waits network::lookup;
    "dir" waits ls::ls;
    "dirname" waits files::basename;
    "dmesg" waits system::hardware;
    "dnf-3" waits misc::packages;
    "dnsdomainname" waits system::hostname;
    "dpkg" waits misc::packages;
    "dpkg-query" waits misc::packages;
    "du" waits files::du;
    "echo" waits text::builtin;
    "ed" waits misc::editor;
    "egrep" waits grep::grep;
    "env" waits misc::env;
    "expr" waits text::expr;
    "false" now misc::no;
    "fdisk" waits disk::lsblk;
    "fgrep" waits grep::grep;
    "file" waits files::file;
    "find" waits find::find;
    "fold" waits text::fold;
    "free" waits system::free;
    "ftp" waits network::connect;
    "ftpget" waits network::connect;
    "ftpput" waits network::connect;
    "getent" waits system::getent;
    "grep" waits grep::grep;
    "groupadd" waits people::useradd;
    "groupdel" waits people::useradd;
    "groups" waits system::groups;
    "gunzip" waits data::gzip;
    "gzip" waits data::gzip;
    "halt" waits misc::systemctl;
    "hd" waits data::od;
    "head" waits text::head;
    "hexdump" waits data::od;
    "host" waits network::lookup;
    "hostname" waits system::hostname;
    "hostnamectl" waits system::hostnamectl;
    "iconv" waits text::iconv;
    "id" waits system::id;
    "ifconfig" waits network::ifconfig;
    "inetutils-telnet" waits network::connect;
    "init" waits misc::systemctl;
    "install" waits files::cp;
    "ionice" waits misc::wrap;
    "ip" waits network::ip;
    "iptables" waits network::iptables;
    "iptables-save" waits network::iptables;
    "journalctl" waits misc::systemctl;
    "kill" waits text::builtin;
    "killall" waits system::pgrep;
    "last" waits system::last;
    "lastb" waits system::last;
    "lastlog" waits system::last;
    "less" waits misc::pager;
    "ln" waits files::ln;
    "logname" waits system::whoami;
    "ls" waits ls::ls;
    "lsattr" waits files::attr;
    "lsblk" waits disk::lsblk;
    "lscpu" waits system::hardware;
    "lsmod" waits system::hardware;
    "lsof" waits system::lsof;
    "lspci" waits system::hardware;
    "man" waits misc::pager;
    "mawk" waits awk::awk;
    "md5sum" waits data::digest;
    "mkdir" waits files::mkdir;
    "mkfifo" waits files::mkfifo;
    "mknod" waits files::mkfifo;
    "mktemp" waits files::mktemp;
    "more" waits misc::pager;
    "mount" waits disk::mount;
    "mv" waits files::cp;
    "nano" waits misc::editor;
    "nc" waits network::connect;
    "nc.traditional" waits network::connect;
    "netstat" waits network::netstat;
    "nft" waits network::iptables;
    "nice" waits misc::wrap;
    "nl" waits text::nl;
    "nohup" waits misc::wrap;
    "nproc" waits system::hardware;
    "nslookup" waits network::lookup;
    "od" waits data::od;
    "openssl" waits misc::openssl;
    "passwd" waits people::passwd;
    "paste" waits text::paste;
    "pgrep" waits system::pgrep;
    "pidof" waits system::pgrep;
    "ping" waits network::ping;
    "pkill" waits system::pgrep;
    "poweroff" waits misc::systemctl;
    "printenv" waits misc::env;
    "printf" waits text::builtin;
    "ps" waits system::ps;
    "pwd" waits text::builtin;
    "readlink" waits files::readlink;
    "realpath" waits files::readlink;
    "reboot" waits misc::systemctl;
    "reset" waits misc::clear;
    "rev" waits text::rev;
    "rm" waits files::rm;
    "rmdir" waits files::rmdir;
    "route" waits network::route;
    "rpm" waits misc::packages;
    "rsync" waits network::connect;
    "scp" waits network::connect;
    "screen" waits misc::screen;
    "sed" waits sed::sed;
    "seq" waits text::seq;
    "service" waits misc::systemctl;
    "setsid" waits misc::wrap;
    "sftp" waits network::connect;
    "sh" waits shells::main;
    "sha1sum" waits data::digest;
    "sha224sum" waits data::digest;
    "sha256sum" waits data::digest;
    "sha384sum" waits data::digest;
    "sha512sum" waits data::digest;
    "shred" waits files::shred;
    "shutdown" waits misc::systemctl;
    "sleep" waits misc::sleep;
    "sort" waits text::sort;
    "ss" waits network::ss;
    "ssh" waits network::connect;
    "stat" waits files::stat;
    "stdbuf" waits misc::wrap;
    "strings" waits text::strings;
    "stty" waits misc::stty;
    "su" waits people::su;
    "sudo" waits people::sudo;
    "swapon" waits disk::lsblk;
    "sync" now misc::nothing;
    "sysctl" waits system::sysctl;
    "systemctl" waits misc::systemctl;
    "tac" waits text::rev;
    "tail" waits text::tail;
    "tar" waits archive::tar;
    "taskset" waits misc::wrap;
    "tee" waits text::tee;
    "telnet" waits network::connect;
    "test" waits text::builtin;
    "tftp" waits network::connect;
    "time" waits misc::wrap;
    "timeout" waits misc::timeout;
    "top" waits system::top;
    "touch" waits files::touch;
    "tput" waits misc::clear;
    "tr" waits text::tr;
    "traceroute" waits network::lookup;
    "traceroute.db" waits network::lookup;
    "true" now misc::nothing;
    "truncate" waits files::truncate;
    "tty" waits misc::tty;
    "umount" waits disk::mount;
    "uname" waits system::uname;
    "uniq" waits text::uniq;
    "unlink" waits files::unlink;
    "unzip" waits archive::unzip;
    "uptime" waits system::uptime;
    "useradd" waits people::useradd;
    "userdel" waits people::useradd;
    "usermod" waits people::useradd;
    "users" waits system::who;
    "usleep" waits misc::sleep;
    "vdir" waits ls::ls;
    "vi" waits misc::editor;
    "vim" waits misc::editor;
    "vim.tiny" waits misc::editor;
    "vmstat" waits system::hardware;
    "w" waits system::who;
    "watch" waits misc::watch;
    "wc" waits text::wc;
    "wget" waits network::wget;
    "whereis" waits find::whereis;
    "which" waits find::which;
    "which.debianutils" waits find::which;
    "who" waits system::who;
    "whoami" waits system::whoami;
    "xargs" waits find::xargs;
    "xtables-nft-multi" waits network::iptables;
    "xxd" waits data::xxd;
    "yes" waits text::yes;
    "yum" waits misc::packages;
    "zcat" waits data::gzip;
}
