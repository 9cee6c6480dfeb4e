#!/usr/bin/env bash
# How soon after exec the sidecar takes a connection, and how much memory it holds then: the median of 20 starts.
set -euo pipefail
exec </dev/null
binary=$(realpath "${1:?the binary}")

python3 - "$binary" <<'PYTHON'
import os, signal, socket, statistics, subprocess, sys, time

times, sizes = [], []
for _ in range(20):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "LISTEN": f"127.0.0.1:{port}", "ADMIN_LISTEN": "127.0.0.1:0", "TLS": "off", "WORKERS": "2", "AUDIT_LOG": "off",
        "ROUTE_GITHUB_PATH": "/github", "ROUTE_GITHUB_PROVIDER": "github", "ROUTE_GITHUB_SECRET": "a secret for a measurement",
    }
    environment = {f"HOOKWARDEN_{name}": value for name, value in settings.items()}
    start = time.perf_counter()
    sidecar = subprocess.Popen([sys.argv[1], "run"], env=environment, stderr=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            if sidecar.poll() is not None or time.perf_counter() - start > 10:
                sys.exit("the sidecar did not start")
    times.append(time.perf_counter() - start)
    with open(f"/proc/{sidecar.pid}/status") as status:
        sizes += [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
    sidecar.send_signal(signal.SIGTERM)
    sidecar.wait(timeout=10)
print(f"ready after {statistics.median(times) * 1000:.1f} ms, resident {statistics.median(sizes) / 1024:.1f} MiB")
PYTHON
