-- Posts the bodies of a folder in turn and prints one JSON line; any status but 2xx is a refusal.

local threads = {}
local requests = {}
local at = 0
refused = 0
first = ""

function setup(thread) table.insert(threads, thread) end

function init(args)
  local headers = { ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY") }
  for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]+)") do headers[name] = value end
  local number = 1
  while true do
    local file = io.open(os.getenv("BENCH_BODIES") .. "/" .. number .. ".body", "rb")
    if not file then break end
    requests[number] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
    number = number + 1
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status, headers, body)
  if status < 200 or status > 299 then
    refused = refused + 1
    if first == "" then first = status .. " " .. body:sub(1, 120):gsub('[%c"\\]', " ") end
  end
end

function done(summary, latency, _)
  local bad, what = 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("refused")
    what = what .. thread:get("first")
  end
  local e = summary.errors
  io.write(string.format('{"requests":%d,"refused":%d,"first":"%s","broken":%d,"p50_ms":%.2f,"p99_ms":%.2f}\n',
    summary.requests, bad, what, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
