def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served by gunicorn\n"]


if __name__ == "__main__":
    print("served by gunicorn")
