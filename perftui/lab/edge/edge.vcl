vcl 4.1;

import std;
@TAG_IMPORT@

backend origin {
  .host = "127.0.0.1";
  .port = "@PORT@";
  .connect_timeout = 1s;
  .first_byte_timeout = 15s;
  .max_connections = 100;
  .probe = { .url = "/health"; .interval = 1s; .timeout = 1s; .window = 5; .threshold = 3; .initial = 3; }
}

sub vcl_recv {
  # two listeners, one cache: the port is no part of the name
  set req.http.Host = regsub(req.http.Host, ":\d+$", "");
  if (req.url == "/_edge/ping") { return (synth(204, "Pong")); }
  if (req.method == "PURGE") {
    if (local.socket != "int" || req.http.X-Purge-Token != "@TOKEN@") { return (synth(403, "Refused")); }
    if (req.http.X-Purge-Tag) {
@TAG_PURGE@
    }
    return (purge);
  }
  unset req.http.X-Purged;
  if (req.url ~ "^/(admin|metrics|health)") { return (pass); }
  if (req.method == "GET" || req.method == "HEAD") {
    if (req.url ~ "^/(static|assets|pages|products|api/products)" || req.url == "/") { unset req.http.Cookie; }
  }
}

sub vcl_backend_response {
  set beresp.grace = 30s;
  set beresp.http.xkey = beresp.http.Surrogate-Key;
  if (beresp.status >= 500) { set beresp.uncacheable = true; set beresp.ttl = 1s; }
  # what says nothing about caching is not kept
  if (!beresp.http.Cache-Control && !beresp.http.Expires) { set beresp.uncacheable = true; set beresp.ttl = 10s; }
}

sub vcl_hit { set req.http.X-State = "HIT"; if (obj.ttl < 0s) { set req.http.X-State = "STALE"; } }
sub vcl_miss { set req.http.X-State = "MISS"; }
sub vcl_pass { set req.http.X-State = "PASS"; }

sub vcl_deliver {
  unset resp.http.xkey;
  set resp.http.X-Cache = req.http.X-State;
}

sub vcl_synth {
  set resp.http.X-Cache = "SYNTH";
  if (req.http.X-Purged) { set resp.http.X-Purged = req.http.X-Purged; }
  if (resp.status == 204) { return (deliver); }
}
