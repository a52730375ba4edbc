"""Writes tests/golden/accounting.json: what independent implementations say about the same mechanisms. For developers;
users and the test suite never run it.

    python -m venv env && env/bin/pip install dp-accounting==0.6.0 mpmath==1.4.1
    env/bin/pip download --no-deps opacus==1.6.0 -d opacus && (cd opacus && python -m zipfile -e opacus-*.whl .)
    env/bin/python crates/privacy/scripts/golden_accounting.py opacus/opacus/accountants/analysis/rdp.py

The references are Google's dp-accounting, installed, and the accountant of Opacus, whose module is loaded by path so that
PyTorch is not needed. For orders that are no integers, both approximate (dp-accounting sums magnitudes, an upper bound;
Opacus stops its series early), so that the integral itself is taken with mpmath, too.
"""

import importlib.metadata
import importlib.util
import json
import math
import sys
from pathlib import Path

import dp_accounting
import mpmath
from dp_accounting import dp_event, rdp

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "accounting.json"
ORDERS = [1.1, 1.5, 2.0, 2.5, 3.7, 5.0, 8.3, 10.9, 16.0, 32.0, 63.0, 128.0, 256.0, 1024.0]
SAMPLED = [(z, q) for z in (0.6, 1.0, 1.3, 2.0, 5.0, 20.0) for q in (1e-4, 0.004, 0.01, 0.1, 0.5)]
ROUNDS = [(0.8, 1.0, 1), (1.0, 0.01, 1000), (1.1, 256 / 60000, 14062), (2.0, 0.1, 200), (5.0, 1.0, 20), (20.0, 1.0, 100),
          (4.0, 0.3, 50), (0.7, 0.004, 5000)]
DELTAS = [1e-3, 1e-5, 1e-8]
OURS = [1 + x / 10 for x in range(1, 100)] + list(range(11, 64)) + [80, 128, 192, 256, 512, 1024, 2048, 4096]


def opacus_rdp(path):
    spec = importlib.util.spec_from_file_location("opacus_rdp", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accountant(z, q, rounds, orders=OURS):
    one = dp_event.GaussianDpEvent(z)
    if q < 1:
        one = dp_event.PoissonSampledDpEvent(q, one)
    return rdp.RdpAccountant(orders).compose(one, rounds)


def integral(z, q, order):
    """The divergence by quadrature with 40 digits."""
    mpmath.mp.dps = 40
    z, q, order = mpmath.mpf(z), mpmath.mpf(q), mpmath.mpf(order)
    gain = lambda u: mpmath.exp(u / z - 1 / (2 * z * z))
    density = lambda u: mpmath.exp(-u * u / 2) / mpmath.sqrt(2 * mpmath.pi)
    edges = list(range(-16, int(order / z) + 18, 2))
    total = mpmath.quad(lambda u: density(u) * ((1 - q + q * gain(u)) ** order - 1 - order * q * (gain(u) - 1)), edges)
    return float(mpmath.log1p(total) / (order - 1))


def divergences(opacus):
    rows = []
    for z, q in SAMPLED:
        google = [float(accountant(z, q, 1, [order])._rdp[0]) for order in ORDERS]
        other = [float(opacus.compute_rdp(q=q, noise_multiplier=z, steps=1, orders=order)) for order in ORDERS]
        finite = lambda values: [value if math.isfinite(value) else None for value in values]
        exact = [integral(z, q, order) if order % 1 else None for order in ORDERS]
        rows.append({"noise": z, "rate": q, "google": finite(google), "opacus": finite(other), "integral": exact})
    return rows


def composed(opacus):
    rows = []
    for z, q, rounds in ROUNDS:
        for delta in DELTAS:
            curve = opacus.compute_rdp(q=q, noise_multiplier=z, steps=rounds, orders=OURS)
            other, _ = opacus.get_privacy_spent(orders=OURS, rdp=curve, delta=delta)
            google = accountant(z, q, rounds)
            epsilon = float(google.get_epsilon(delta))
            rows.append({"noise": z, "rate": q, "rounds": rounds, "delta": delta, "google": epsilon,
                         "opacus": float(other), "delta_at_1": float(google.get_delta(1.0))})
    return rows


def calibrated():
    rows = []
    for epsilon, rounds, q in [(8, 20, 1.0), (4, 20, 1.0), (1, 20, 1.0), (1, 200, 0.1), (8, 3, 1.0), (0.1, 1, 1.0)]:
        def event(z, q=q, rounds=rounds):
            one = dp_event.GaussianDpEvent(z)
            return dp_event.SelfComposedDpEvent(dp_event.PoissonSampledDpEvent(q, one) if q < 1 else one, rounds)

        noise = dp_accounting.calibrate_dp_mechanism(
            lambda: rdp.RdpAccountant(OURS), event, epsilon, 1e-5,
            dp_accounting.ExplicitBracketInterval(0.05, 500), tol=1e-9)
        rows.append({"epsilon": epsilon, "delta": 1e-5, "rounds": rounds, "rate": q, "noise": float(noise)})
    return rows


def analytic():
    rows = []
    for epsilon in (0.01, 0.1, 0.5, 1, 3, 8, 30):
        for delta in (1e-3, 1e-6, 1e-10):
            sigma = float(dp_accounting.get_sigma_gaussian(epsilon, delta))
            rows.append({"epsilon": epsilon, "delta": delta, "noise": sigma,
                         "epsilon_at_twice": float(dp_accounting.get_epsilon_gaussian(2 * sigma, delta))})
    return rows


def pure():
    """Randomised response of two answers, summed by hand."""
    rows = []
    for epsilon in (0.1, 1.0, 4.0):
        p = math.exp(epsilon) / (1 + math.exp(epsilon))
        values = [math.log(p**a * (1 - p)**(1 - a) + (1 - p)**a * p**(1 - a)) / (a - 1) for a in ORDERS[:9]]
        rows.append({"epsilon": epsilon, "divergences": values})
    return rows


def sampled_any():
    """Theorem 5 of Zhu and Wang (2019), term by term with 40 digits, for randomised response of two answers."""
    mpmath.mp.dps = 40
    rows = []
    for epsilon, q in [(0.1, 0.01), (1.0, 0.01), (1.0, 0.2), (4.0, 0.001), (4.0, 0.3)]:
        p = mpmath.exp(epsilon) / (1 + mpmath.exp(epsilon))
        whole = lambda a: mpmath.log(p**a * (1 - p)**(1 - a) + (1 - p)**a * p**(1 - a)) / (a - 1)
        values = []
        for order in ORDERS:
            if order % 1 or order > 128:
                values.append(None)
                continue
            a, rate = int(order), mpmath.mpf(q)
            total = (1 - rate)**(a - 1) * (a * rate - rate + 1)
            for l in range(2, a + 1):
                factor = 1 if l == 2 else 3
                total += factor * mpmath.binomial(a, l) * (1 - rate)**(a - l) * rate**l * mpmath.exp((l - 1) * whole(l))
            values.append(float(min(mpmath.log(total) / (a - 1), whole(a))))
        rows.append({"epsilon": epsilon, "rate": q, "divergences": values})
    return rows


def main():
    opacus = opacus_rdp(sys.argv[1])
    versions = {"dp-accounting": importlib.metadata.version("dp-accounting"), "mpmath": mpmath.__version__, "opacus": "1.6.0"}
    golden = {"script": "crates/privacy/scripts/golden_accounting.py", "versions": versions, "orders": ORDERS,
              "divergences": divergences(opacus), "composed": composed(opacus), "calibrated": calibrated(),
              "analytic": analytic(), "pure": pure(), "sampled_any": sampled_any()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


main()
