-- wrk script: many phones take turns, each with its own file and User-Agent. Prints its figures as JSON.
--
--   wrk … -s fleet.lua URL -- known FILE              FILE: a line for each phone, its path, a tab, its User-Agent
--   wrk … -s fleet.lua URL -- new PREFIX FIRST AGENT  phones that nobody has seen: MACs PREFIX + FIRST, FIRST + 1, …

local requests, turn = {}, 0
local prefix, number, agent

function init(arguments)
  if arguments[1] == "new" then
    prefix, number, agent = arguments[2], tonumber(arguments[3]), arguments[4]
    return
  end
  for line in io.lines(arguments[2]) do
    local path, who = line:match("^(.-)\t(.*)$")
    requests[#requests + 1] = wrk.format("GET", path, { ["User-Agent"] = who })
  end
end

function request()
  if prefix then
    local mac = string.format("%s%06x", prefix, number)
    number = number + 1
    return wrk.format("GET", "/" .. mac .. ".cfg", { ["User-Agent"] = agent .. " " .. mac:gsub("(..)", "%1:"):sub(1, 17) })
  end
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"done": %d, "rate": %.1f, "p50": %.3f, "p99": %.3f, "max": %.3f, "octets": %d, "status": %d, "broken": %d, "timeouts": %d}\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end
