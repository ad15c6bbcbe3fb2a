"""PyGithub in a pool of threads, without the pause of a quarter of a second that it makes between requests.

Usage: pygithub_counts.py API LOGINS_FILE [THREADS]
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import github


def main():
    api, path = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    client = github.Github(
        base_url=api, auth=github.Auth.Token("sample"), seconds_between_requests=None, pool_size=threads
    )

    def count(login):
        try:
            return login, client.get_user(login).public_repos
        except github.UnknownObjectException:
            return login, "-"

    with ThreadPoolExecutor(threads) as pool:
        for login, repos in pool.map(count, open(path).read().split()):
            print(login, repos)


main()
