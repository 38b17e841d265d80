-- Each connection posts its body, waits for the answer and rests for a second on average; prints one JSON line.

local threads = {}
local posted = ""
refused = 0
first = ""

function setup(thread) table.insert(threads, thread) end

function init(args)
  local file = io.open(os.getenv("BENCH_BODY"), "rb")
  local headers = { ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"), ["Content-Type"] = "application/json" }
  posted = wrk.format("POST", nil, headers, file:read("*a"))
  file:close()
end

function request() return posted end

function delay() return math.random(500, 1500) end

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
  io.write(string.format(
    '{"requests":%d,"refused":%d,"first":"%s","connect":%d,"read":%d,"write":%d,"timeout":%d,'
    .. '"p50_ms":%.2f,"p99_ms":%.2f,"seconds":%.2f}\n',
    summary.requests, bad, what, e.connect, e.read, e.write, e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.duration / 1e6))
end
