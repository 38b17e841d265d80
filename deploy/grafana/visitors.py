"""Dashboards of those who use a page: how fast it is for them, what breaks, and where they leave.

Web vitals are milliseconds but for CLS; their limits are the official ones.
"""

from deploy.grafana.expressions import ERROR_SHARE, FAILED, OTHERS, REPORTED, REQUESTS, STEPS, quantile, rate
from deploy.grafana.panels import RANGE, Dashboard, Panel, Query, Unit, Variable, figure

PAGE = 'page=~"$page"'

LIMITS: tuple[tuple[str, Unit, tuple[float, float]], ...] = (
    ("lcp", "ms", (2_500, 4_000)),
    ("inp", "ms", (200, 500)),
    ("cls", "number", (0.1, 0.25)),
    ("fcp", "ms", (1_800, 3_000)),
    ("ttfb", "ms", (800, 1_800)),
)
"""Each vital with its unit; above the first limit it needs improvement, above the second it is poor."""

VITALS = Dashboard(
    "tidegauge-vitals",
    "Web vitals by route",
    "Which page hurts most people?",
    (
        *(
            figure(
                f"{name.upper()}, p75", "Three of four loads were no worse, over the time shown",
                quantile(0.75, f"web_vital_{name}_bucket{{{PAGE}}}", span=RANGE), unit, limits,
            )
            for name, unit, limits in LIMITS
        ),
        figure(
            "Loads", "Page loads with an LCP, over the time shown",
            f"sum(increase(web_vital_lcp_count{{{PAGE}}}[{RANGE}]))", "number",
        ),
        *(
            Panel(
                f"{name.upper()} by route, p75", "Three of four loads were no worse",
                (Query(quantile(0.75, f"web_vital_{name}_bucket{{{PAGE}}}", "page"), "{{page}}"),),
                unit, limits=limits,
            )
            for name, unit, limits in LIMITS[:3]
        ),
        Panel(
            "LCP by rating", "Loads a minute: good, needs improvement, poor",
            (Query(f"60 * {rate(f'web_vital_lcp_count{{{PAGE}}}', 'rating')}", "{{rating}}"),), "per minute",
            is_stacked=True,
        ),
        Panel(
            "Loads that were not good", "By route, over the time shown: where most people wait",
            (
                Query(
                    f'topk(20, sum by (page) (increase(web_vital_lcp_count{{{PAGE},rating!="good"}}[{RANGE}])))',
                    "{{page}}",
                ),
            ),
            kind="bars",
        ),
        Panel(
            "Loads", "By route, over the time shown",
            (Query(f"topk(20, sum by (page) (increase(web_vital_lcp_count{{{PAGE}}}[{RANGE}])))", "{{page}}"),),
            kind="bars",
        ),
    ),
    (Variable("page", "Route", "web_vital_lcp_count"),),
)  # fmt: skip

ERRORS = Dashboard(
    "tidegauge-errors",
    "Errors",
    "What broke, and how often?",
    (
        Panel(
            "Errors reported", "Errors that clients reported, a minute",
            (Query(f"60 * ({rate(REPORTED)} or vector(0))", "errors"),), "per minute",
        ),
        Panel(
            "Failed answers", "The share of answers that failed", (Query(ERROR_SHARE, "failed"),), "share",
            limits=(0.01, 0.05),
        ),
        Panel(
            "Failed answers by route", "Failures a minute, the five routes with most",
            (
                Query(
                    f"topk(5, 60 * {rate(f'{REQUESTS}{{{FAILED}}}', 'endpoint, status')})",
                    "{{status}} {{endpoint}}",
                ),
            ),
            "per minute",
        ),
        Panel(
            "Lost by clients", "What clients say that they lost, or left out, a minute",
            (Query(f"60 * {rate('client_discarded', 'reason')}", "{{reason}}"),), "per minute",
        ),
        Panel(
            "Requests refused", "Requests with telemetry that were refused as a whole, a minute",
            (Query(f"60 * {rate('intake_refused', 'path, code')}", "{{code}} {{path}}"),), "per minute",
        ),
        Panel(
            "Latest errors", "As they came",
            (
                Query(
                    "SELECT time, name, properties->>'message' AS message, properties->>'url' AS url, session_id "
                    "FROM user_event WHERE type = 'error' AND $__timeFilter(time) ORDER BY time DESC LIMIT 50"
                ),
            ),
            kind="table", source="sql",
        ),
    ),
)  # fmt: skip

FUNNEL = Dashboard(
    "tidegauge-funnel",
    "Funnels",
    "Where do people leave?",
    (
        Panel(
            "Sessions by step", "Sessions that entered in the time shown, and how far they came",
            (
                Query(
                    "SELECT funnel || ' ' || step || ' ' || step_name AS step_of_funnel, count(*) AS sessions "
                    "FROM conversion_funnel WHERE $__timeFilter(entered_at) "
                    "GROUP BY funnel, step, step_name ORDER BY funnel, step"
                ),
            ),
            kind="bars", source="sql",
        ),
        Panel(
            "Time to each step", "Half of the sessions took no longer to come from the step before",
            (
                Query(
                    "SELECT funnel, step, step_name, "
                    "percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM since_step_before)) AS median_s "
                    "FROM conversion_funnel WHERE $__timeFilter(entered_at) AND step > 1 "
                    "GROUP BY funnel, step, step_name ORDER BY funnel, step"
                ),
            ),
            kind="table", source="sql",
        ),
        Panel(
            "Steps taken", "Steps that clients sent, a minute",
            (Query(f"60 * {rate(STEPS)}", "steps"),), "per minute",
        ),
        Panel(
            "Events by type", "What else the sessions do, a minute",
            (Query(f"topk(5, 60 * {rate(OTHERS, 'type')})", "{{type}}"),),
            "per minute",
        ),
    ),
)  # fmt: skip
