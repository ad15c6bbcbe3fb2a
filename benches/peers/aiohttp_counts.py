"""The asyncio script of every guide, made to count rightly: one request a login, a semaphore of N.

Usage: aiohttp_counts.py API LOGINS_FILE [SEMAPHORE]
"""

import asyncio
import sys

import aiohttp


async def count(session, semaphore, api, login):
    async with semaphore, session.get(f"{api}/users/{login}") as response:
        if response.status == 404:
            return login, "-"
        response.raise_for_status()
        return login, (await response.json())["public_repos"]


async def main():
    api, path = sys.argv[1:3]
    semaphore = asyncio.Semaphore(int(sys.argv[3]) if len(sys.argv) > 3 else 10)
    logins = open(path).read().split()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for login, repos in await asyncio.gather(*(count(session, semaphore, api, login) for login in logins)):
            print(login, repos)


asyncio.run(main())
