"""The proxies: their settings, and whether each does what it is measured for."""
import contextlib
import hashlib
import hmac
import http.client
import ssl
import subprocess
import time

from harness import SECRET, Peer, found, free_port, locked, version

NGINX = """
worker_processes 1; daemon off; pid {work}/nginx{port}.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_max_body_size 2m; client_body_buffer_size 2m; keepalive_requests 1000000000;
    client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
    upstream service {{ server 127.0.0.1:{service}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port}{tls};
        location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""

NGINX_TLS = """ ssl;
        ssl_certificate {work}/certificate.pem; ssl_certificate_key {work}/key.pem;
        ssl_protocols TLSv1.3; ssl_session_cache shared:sessions:4m"""

HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend hooks
    bind 127.0.0.1:{port}{tls}
    default_backend service
backend service
    server one 127.0.0.1:{service}
"""

HAPROXY_TLS = " ssl crt {work}/both.pem ssl-min-ver TLSv1.3"


def hookwarden(port, service, work, audit="off", workers=1, routes=1, keys=1, tls=False, more=None):
    """Its settings. The route that the load asks for comes last, and so does the key that the load signs with."""
    file = work / f"{keys}.keys"
    if not file.exists():
        file.touch(0o600)
        file.write_text("".join(f"another-secret-{at}\n" for at in range(1, keys)) + SECRET + "\n")
    route = {"PATH": "/", "PROVIDER": "github", "SECRET_FILE": str(file), "MAX_BODY": "2MiB"}
    settings = {"LISTEN": f"127.0.0.1:{port}", "ADMIN_LISTEN": "127.0.0.1:0", "UPSTREAM": f"127.0.0.1:{service}",
                "TLS": "off", "WORKERS": str(workers), "AUDIT_LOG": audit, "LOG_LEVEL": "error", "MAX_CONNECTIONS": "20000"}
    if tls:
        settings |= {"TLS": "terminate", "TLS_CERT_FILE": f"{work}/certificate.pem", "TLS_KEY_FILE": f"{work}/key.pem"}
    for at in range(1, routes):
        settings.update({f"ROUTE_R{at}_{field}": value for field, value in {**route, "PATH": f"/another/{at}"}.items()})
    settings.update({f"ROUTE_ZZ_{field}": value for field, value in route.items()})
    return {f"HOOKWARDEN_{name}": value for name, value in {**settings, **(more or {})}.items()}


def plain(bench):
    """Every proxy that is there, without TLS."""
    ours = version([bench.binary, "--version"])
    for name, audit in (("hookwarden", "off"), ("hookwarden, audit log to a file", f"{bench.work}/audit.log")):
        port = free_port()
        yield Peer(name, True, [bench.binary, "run"], hookwarden(port, bench.service, bench.work, audit), about=ours), port
    port = free_port()
    yield Peer("hyper proxy", True, hyper_proxy(bench, port), about="source beside this script; hyper " + locked("hyper")), port
    yield from unchecked(bench, tls=False)


def over_tls(bench):
    """The same with TLS 1.3, on a certificate that is made for this run."""
    subprocess.run([bench.programs / "certificate", bench.work], check=True)
    certificate, port = str(bench.work / "certificate.pem"), free_port()
    settings = hookwarden(port, bench.service, bench.work, tls=True)
    about = version([bench.binary, "--version"]) + "; rustls on ring"
    yield Peer("hookwarden", True, [bench.binary, "run"], settings, certificate=certificate, about=about), port
    for library, crate in (("aws-lc", "aws-lc-rs"), ("ring", "ring")):
        port, name = free_port(), f"hyper + rustls on {library}"
        command = hyper_proxy(bench, port) + [certificate, str(bench.work / "key.pem"), library]
        about = f"hyper {locked('hyper')}, rustls {locked('rustls')}, {crate} {locked(crate)}"
        yield Peer(name, True, command, certificate=certificate, about=about), port
    yield from unchecked(bench, tls=True)


def hyper_proxy(bench, port):
    return [bench.programs / "hyper_proxy", str(port), str(bench.service), SECRET]


def unchecked(bench, tls):
    """Those that pass everything on."""
    certificate = str(bench.work / "certificate.pem") if tls else None
    for name, ending, text, extra, command in (
            ("nginx", "conf", NGINX, NGINX_TLS, lambda program, config: [program, "-e", "/dev/null", "-c", config]),
            ("haproxy", "cfg", HAPROXY, HAPROXY_TLS, lambda program, config: [program, "-db", "-q", "-f", config])):
        if program := found(name):
            port = free_port()
            config = bench.work / f"{name}{port}.{ending}"
            config.write_text(text.format(work=bench.work, port=port, service=bench.service,
                                          tls=extra.format(work=bench.work) if tls else ""))
            about = version([program, "-v"])
            yield Peer(name, False, command(program, str(config)), certificate=certificate, about=about), port


def start(bench, cleanup, offered):
    """Starts them all, and asks each for what it is measured for."""
    everyone = []
    for peer, port in offered:
        cleanup.callback(peer.stop)
        peer.start(port)
        probe(bench, peer)
        everyone.append(peer)
    return everyone


def probe(bench, peer):
    """A genuine webhook passes; a forged and a repeated one pass just where nobody looks."""
    body = b'{"probe":%d}' % time.time_ns()
    genuine = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    forged = hmac.new(b"not the secret", body, hashlib.sha256).hexdigest()
    replayed = 409 if peer.name.startswith("hookwarden") else 200
    for what, signature, expected in (("a forged webhook", forged, 401 if peer.verifies else 200),
                                      ("a genuine webhook", genuine, 200), ("a repeated webhook", genuine, replayed)):
        status, text = post(peer, body, signature)
        bench.check(status == expected, f"{peer.name} answers {what} with {status}, not {expected}")
        bench.check(status != 200 or text == b"ok", f"{peer.name} answers {what} with {text!r}, not as the service does")


def post(peer, body, signature):
    head = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
    with contextlib.closing(client(peer)) as connection:
        connection.request("POST", "/", body, head)
        answer = connection.getresponse()
        return answer.status, answer.read()


def client(peer):
    if not peer.certificate:
        return http.client.HTTPConnection("127.0.0.1", peer.port, timeout=30)
    context = ssl.create_default_context(cafile=peer.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return http.client.HTTPSConnection("localhost", peer.port, timeout=30, context=context)
