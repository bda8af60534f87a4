# SPDX-License-Identifier: MIT
"""A Jira server for tests, in both dialects, as far as their documentation says how they answer a search.

Jira(issues, edition="server") answers at .url. `issues` is a list of issues as dictionaries, which a test may change at
any time. .requests has (method, path, body, headers) of all requests. `before` is called with each request and may
answer it itself: (status, headers, body) or a function that is given the socket.
"""
import base64
import copy
import json
import re
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def moment(ago=0):
    """A time as Jira writes it, `ago` seconds before now; always in another zone than the one it is read in."""
    when = datetime.now(timezone(timedelta(hours=5, minutes=30))) - timedelta(seconds=ago)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}" + when.strftime("%z")


def person(name):
    return {"name": name, "key": f"JIRAUSER-{name}", "accountId": f"5b10:{name}", "displayName": name.title(),
            "emailAddress": f"{name}@example.org"}


def comment(number, author, body, ago=0):
    return {"id": str(number), "author": person(author), "body": body, "created": moment(ago), "updated": moment(ago)}


def issue(key, comments=(), description=None, reporter="ann", ago=3600, **fields):
    project = key.split("-")[0]
    return {"id": str(10000 + int(key.split("-")[1])), "key": key, "self": f"http://jira.example/rest/api/2/issue/{key}",
            "fields": {"summary": f"Summary of {key}", "project": {"key": project, "name": f"Project {project}"},
                       "reporter": person(reporter), "created": moment(ago), "updated": moment(ago),
                       "description": description, **fields,
                       "comment": {"comments": list(comments), "maxResults": len(comments), "total": len(comments),
                                   "startAt": 0}}}


class Jira:
    def __init__(self, issues, edition="server", token=None, user=None, page=50, pages=(), comments=None, comment_page=50):
        self.issues, self.edition, self.token, self.user = issues, edition, token, user
        self.page, self.pages = page, list(pages)  # Cloud: the sizes of the pages to come, then `page`
        self.comments, self.comment_page = comments, comment_page  # in a search: so many; in a page of comments
        self.requests, self.tokens, self.before = [], {}, None
        self.after_page = lambda: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                server.handle(self, "GET", None)

            def do_POST(self):
                server.handle(self, "POST", self.rfile.read(int(self.headers["Content-Length"])))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def queries(self):
        """The JQL of all searches so far."""
        return [json.loads(body)["jql"] for _, path, body, _ in self.requests if "/search" in path]

    # ------------------------------------------------------------ answering

    def handle(self, handler, method, body):
        self.requests.append((method, handler.path, body, handler.headers))
        answer = self.before(len(self.requests), handler.path) if self.before else None
        if callable(answer):
            answer(handler)
            return
        status, headers, content = answer or self.answer(method, handler.path, body, handler.headers)
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def allowed(self, headers):
        if not self.token:
            return True
        wanted = f"Bearer {self.token}"
        if self.user:
            wanted = "Basic " + base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        return headers.get("Authorization") == wanted

    def answer(self, method, path, body, headers):
        if path == "/rest/api/2/serverInfo":
            return 200, {}, {"baseUrl": self.url, "version": "9.12.0",
                             "deploymentType": "Cloud" if self.edition == "cloud" else "Server"}
        if not self.allowed(headers):
            return 401, {}, b"<html>Unauthorized (401)</html>"
        if method == "POST" and path == "/rest/api/2/search" and self.edition == "server":
            return self.search_server(json.loads(body))
        if method == "POST" and path == "/rest/api/3/search/jql" and self.edition == "cloud":
            return self.search_cloud(json.loads(body))
        found = re.fullmatch(r"/rest/api/([23])/issue/([A-Z]+-\d+)/comment\?(.*)", path)
        if method == "GET" and found and (found[1] == "3") == (self.edition == "cloud"):
            return self.comments_of(found[2], urllib.parse.parse_qs(found[3]))
        if "/search" in path:
            return 410, {}, {"errorMessages": ["The requested API has been removed."]}
        return 404, {}, {"errorMessages": ["null for uri"]}

    def matching(self, jql):
        if not jql.lower().endswith("order by key"):
            raise AssertionError(f"an order that a change may move: {jql}")
        if "syntax error" in jql:
            return None
        found = list(self.issues)
        since = re.search(r'updated >= "-(\d+)m"', jql)
        if since:
            start = datetime.now(timezone.utc) - timedelta(minutes=int(since[1]))
            found = [one for one in found
                     if datetime.strptime(one["fields"]["updated"], "%Y-%m-%dT%H:%M:%S.%f%z") >= start]
        return sorted(found, key=lambda one: (one["key"].split("-")[0], int(one["key"].split("-")[1])))

    def shown(self, one, fields):
        """An issue as a search shows it: only some of its comments."""
        one = copy.deepcopy(one)
        comments = one["fields"]["comment"]
        if self.comments is not None:
            comments["comments"] = comments["comments"][:self.comments]
            comments["maxResults"] = len(comments["comments"])
        if "*all" not in fields:
            one["fields"] = {name: value for name, value in one["fields"].items() if name in fields}
        return one

    def search_server(self, request):
        found = self.matching(request["jql"])
        if found is None:
            return 400, {}, {"errorMessages": ["Error in the JQL Query: the operator is missing."], "errors": {}}
        start, size = request["startAt"], min(request["maxResults"], self.page)
        page = [self.shown(one, request["fields"]) for one in found[start:start + size]]
        answer = {"expand": "schema,names", "startAt": start, "maxResults": size, "total": len(found), "issues": page}
        self.after_page()
        return 200, {}, answer

    def search_cloud(self, request):
        found = self.matching(request["jql"])
        if found is None:
            return 400, {}, {"errorMessages": ["Error in the JQL Query: the operator is missing."]}
        start = 0
        if "nextPageToken" in request:
            start = self.tokens[request["nextPageToken"]]
        size = min(request["maxResults"], self.pages.pop(0) if self.pages else self.page)
        page = [self.shown(one, request["fields"]) for one in found[start:start + size]]
        answer = {"issues": page}
        if start + size < len(found) or self.pages:
            token = f"tok\"en-{len(self.tokens)}=="
            self.tokens[token] = start + size
            answer["nextPageToken"] = token
        else:
            answer["isLast"] = True
        self.after_page()
        return 200, {}, answer

    def comments_of(self, key, parameters):
        one = next((one for one in self.issues if one["key"] == key), None)
        if one is None:
            return 404, {}, {"errorMessages": ["Issue Does Not Exist"], "errors": {}}
        everything = one["fields"]["comment"]["comments"]
        start, size = int(parameters["startAt"][0]), min(int(parameters["maxResults"][0]), self.comment_page)
        return 200, {}, {"startAt": start, "maxResults": size, "total": len(everything),
                         "comments": everything[start:start + size]}


def cut(handler):
    """Half an answer, then nothing any more."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"issues\": [")
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(2)


def slow(seconds):
    def answer(handler):
        time.sleep(seconds)
        handler.close_connection = True
    return answer
