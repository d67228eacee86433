-- Realistic traffic for wrk, the same for every run: many visitors, pages, referrers and browsers;
-- 70 % pageviews, 20 % engagement, 10 % custom events with properties. Sites are those of
-- benchmarks/servers.py. WAIT (milliseconds on average) slows each connection down. BATCH sends that
-- many events in each request, with the bearer token KEY. TRAFFIC=new makes nearly every event a new
-- visitor's: addresses at random out of 260,000, 40 agents, 100 sites, pageviews only.
local new = os.getenv("TRAFFIC") == "new"
local VISITORS, PAGES, SITES, REQUESTS = 5000, 200, new and 100 or 50, 8192
local ADDRESSES, AGENTS = 260000, 40
local wait = tonumber(os.getenv("WAIT") or "0")
local batch = tonumber(os.getenv("BATCH") or "1")
local requests, number = {}, 0

local systems = {
  "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64",
  "Linux; Android 10; K", "iPhone; CPU iPhone OS 18_1 like Mac OS X",
}
local referrers = {
  "https://www.google.com/", "https://news.ycombinator.com/item?id=1", "https://t.co/abc",
  "https://www.bing.com/search?q=x", "https://example.org/links", "https://github.com/a/b",
}

local function agent(visitor)
  visitor = new and visitor % AGENTS or visitor
  local system = systems[visitor % #systems + 1]
  if system:find("iPhone") then
    return "Mozilla/5.0 (" .. system .. ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18."
      .. visitor % 3 .. " Mobile/15E148 Safari/604.1"
  end
  return "Mozilla/5.0 (" .. system .. ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"
    .. 110 + visitor % 30 .. ".0.0.0 Safari/537.36"
end

local function body(kind, visitor)
  local site = "site" .. visitor % SITES .. ".example"
  local url = "https://" .. site .. "/blog/post-" .. math.random(PAGES)
  if kind <= 70 then
    local referrer = "null"
    if kind <= 40 then
      referrer = '"' .. referrers[math.random(#referrers)] .. '"'
    end
    if kind <= 5 then
      url = url .. "?utm_source=newsletter&utm_medium=email"
    end
    return '{"n":"pageview","v":36,"u":"' .. url .. '","d":"' .. site .. '","r":' .. referrer .. "}"
  elseif kind <= 90 then
    return '{"n":"engagement","v":36,"sd":' .. math.random(100) .. ',"d":"' .. site .. '","u":"'
      .. url .. '","e":' .. math.random(60000) .. "}"
  end
  return '{"n":"Signup","v":36,"u":"' .. url .. '","d":"' .. site
    .. '","r":null,"p":{"plan":"pro","seats":' .. math.random(9) .. ',"trial":true}}'
end

local function address(visitor)
  return "198." .. visitor % 100 .. "." .. math.floor(visitor / 100) .. ".7"
end

-- The visitor and the kind of an event. The first round makes a visit for everybody, so that engagement
-- finds one.
local function choose(i)
  return i % VISITORS, new and math.random(70) or i <= VISITORS and 50 or math.random(100)
end

local function batch_of(first)
  local items = {}
  for i = first, first + batch - 1 do
    local visitor, kind = choose(i)
    items[#items + 1] = body(kind, visitor):sub(1, -2) .. ',"ip":"' .. address(visitor)
      .. '","user_agent":"' .. agent(visitor) .. '"}'
  end
  return wrk.format("POST", "/api/events", {
    ["Host"] = "stats.example",
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. os.getenv("KEY"),
  }, "[" .. table.concat(items, ",") .. "]")
end

function init()
  math.randomseed(42)
  if batch > 1 then
    for i = 1, REQUESTS, batch do
      requests[#requests + 1] = batch_of(i)
    end
    return
  end
  for i = 1, REQUESTS do
    local visitor, kind = choose(i)
    requests[i] = wrk.format("POST", "/api/event", {
      ["Host"] = "stats.example",
      ["User-Agent"] = agent(visitor),
      ["Accept"] = "*/*",
      ["Accept-Language"] = "en-US,en;q=0.5",
      ["Accept-Encoding"] = "gzip, deflate, br",
      ["Content-Type"] = "text/plain",
      ["Origin"] = "https://site" .. visitor % SITES .. ".example",
      ["X-Forwarded-For"] = new and "ADDRESS" or address(visitor),
    }, body(kind, visitor))
    if new then
      local first, last = requests[i]:find("ADDRESS", 1, true)
      requests[i] = { requests[i]:sub(1, first - 1), requests[i]:sub(last + 1) }
    end
  end
end

function request()
  number = number % #requests + 1
  local request = requests[number]
  if new then
    local visitor = math.random(ADDRESSES)
    return request[1] .. 100 + visitor % 100 .. "." .. math.floor(visitor / 100) % 256 .. "."
      .. math.floor(visitor / 25600) .. ".7" .. request[2]
  end
  return request
end

function delay()
  -- At random: connections that are answered together would otherwise send together again.
  return wait > 0 and math.random(0, 2 * wait) or 0
end

function done(summary, latency)
  io.write(string.format(
    "RESULT %d %d %.1f %.1f %.1f %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    summary.errors.status + summary.errors.connect + summary.errors.read
      + summary.errors.write + summary.errors.timeout
  ))
end
