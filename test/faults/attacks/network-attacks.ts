import { existsSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Attack } from './attack.ts'
import type { Victim } from './victim.ts'

/** Opens raw sockets to the gateway. Each socket has an error handler, because the gateway may refuse it. */
async function sockets(victim: Victim, count: number, first: string): Promise<readonly Socket[]> {
  const { hostname, port } = new URL(victim.url)
  const opened: Socket[] = []
  for (let at = 0; at < count; at++) {
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => {})
    socket.resume()
    socket.write(first.replaceAll('HOST', `${hostname}:${port}`))
    opened.push(socket)
    if (at % 100 === 99) await pause(10)
  }
  return opened
}

async function held(victim: Victim, count: number, first: string, forMs: number): Promise<readonly string[]> {
  const opened = await sockets(victim, count, first)
  await pause(forMs)
  const response = await victim.post('neighbour', '{"number": 1}').catch((error: unknown) => String(error))
  for (const socket of opened) socket.destroy()
  if (typeof response === 'string') return [`${count} sockets: a neighbour got ${response}`]
  return response.status === 200 ? [] : [`${count} sockets: a neighbour got ${response.status}`]
}

const announcing = 'POST /v1/gateways/neighbour/request HTTP/1.1\r\nHost: HOST\r\ncontent-type: application/json\r\ncontent-length: 33554432\r\n\r\n'

export const silentSockets: Attack = {
  name: 'sixty-four sockets that announce 32 MiB each and say nothing more',
  run: (victim) => held(victim, 64, announcing, 5_000),
}

export const manySockets: Attack = {
  name: 'two thousand sockets that say nothing, or half a header',
  async run(victim) {
    const broken = [...(await held(victim, 1_000, '', 3_000)), ...(await held(victim, 1_000, 'GET /healthz HTTP/1.1\r\nHost: HO', 3_000))]
    return (await victim.isReady()) ? broken : [...broken, 'the process is not ready']
  },
}

export const slowBodies: Attack = {
  name: 'a hundred bodies that come a byte a second',
  async run(victim) {
    const opened = await sockets(victim, 100, announcing.replace('33554432', '1000000'))
    for (let second = 0; second < 8; second++) {
      for (const socket of opened) if (!socket.destroyed) socket.write(' ')
      await pause(1_000)
    }
    const response = await victim.post('neighbour', '{"number": 1}')
    for (const socket of opened) socket.destroy()
    return response.status === 200 ? [] : [`a neighbour got ${response.status}`]
  },
}

export const badRequests: Attack = {
  name: 'requests that are no HTTP, or almost none',
  async run(victim) {
    const broken: string[] = []
    const head = (line: string, ...headers: readonly string[]) => `${[line, ...headers].join('\r\n')}\r\n\r\n`
    for (const [what, bytes, status] of [
      ['two Host headers', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Host: HOST'), /^HTTP\/1\.1 400/],
      ['no Host header', head('GET /healthz HTTP/1.1'), /^HTTP\/1\.1 400/],
      ['a foreign Host', head('GET /healthz HTTP/1.1', 'Host: evil.example'), /^HTTP\/1\.1 (403|421)/],
      ['a foreign Origin', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Origin: https://evil.example'), /^HTTP\/1\.1 403/],
      ['an image tag of another site', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Sec-Fetch-Site: cross-site'), /^HTTP\/1\.1 403/],
      ['a path that cannot be decoded', head('GET /v1/requests/%zz HTTP/1.1', 'Host: HOST'), /^HTTP\/1\.1 400/],
      ['an id that is no ASCII', head('GET /v1/requests/%C3%A4%C3%B6 HTTP/1.1', 'Host: HOST'), /^HTTP\/1\.1 (400|404)/],
      ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', /^HTTP\/1\.1 400/],
      ['a header of 100 kB', head('GET /healthz HTTP/1.1', 'Host: HOST', `X: ${'x'.repeat(100_000)}`), /^HTTP\/1\.1 431/],
      [
        'both a length and chunks',
        `${head('POST /v1/gateways/neighbour/request HTTP/1.1', 'Host: HOST', 'content-length: 4', 'transfer-encoding: chunked')}0\r\n\r\n`,
        /^HTTP\/1\.1 400/,
      ],
    ] as const) {
      const answer = await said(victim, bytes)
      if (!status.test(answer)) broken.push(`${what}: ${JSON.stringify(answer.slice(0, 120))}`)
      else if (!/content-type: application\/problem\+json/i.test(answer))
        broken.push(`${what} is no problem+json: ${JSON.stringify(answer.slice(0, 200))}`)
    }
    return broken
  },
}

/** The gateway's answer to these bytes, until it closes the connection or two seconds have passed. */
async function said(victim: Victim, bytes: string): Promise<string> {
  const { hostname, port } = new URL(victim.url)
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ host: hostname, port: Number(port) })
    const end = () => {
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(end, 2_000)
    socket.on('error', end).on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
    socket.on('data', (data) => {
      answer += data
      if (answer.includes('\r\n\r\n')) setTimeout(end, 50)
    })
    socket.write(bytes.replaceAll('HOST', `${hostname}:${port}`))
  })
}

export const shortRetries: Attack = {
  name: 'a retry with a short deadline, while the first caller still waits',
  async run(victim) {
    const key = { 'idempotency-key': crypto.randomUUID() }
    const slow = JSON.stringify({ slowly: 3_000 })
    const first = victim.post('boxed', slow, { ...key, 'x-timeout-seconds': '20' })
    await pause(300)
    const startedMs = performance.now()
    const retry = await victim.post('boxed', slow, { ...key, 'x-timeout-seconds': '0.5' })
    const tookMs = performance.now() - startedMs
    const broken: string[] = []
    if (retry.status !== 504) broken.push(`the retry got ${retry.status}`)
    if (tookMs > 2_000) broken.push(`the retry's deadline of 0.5 s took ${Math.round(tookMs)} ms`)
    const answered = await first
    if (answered.status !== 200) broken.push(`the first caller got ${answered.status}: ${(await answered.text()).slice(0, 200)}`)
    return broken
  },
}

const statements: { readonly [what: string]: string } = {
  'a file that is written': "INSERT INTO FUNCTION file('FILE', 'CSV', 'a String') VALUES ('written')",
  'an outfile': "SELECT 1 INTO OUTFILE 'FILE'",
  'a table that is dropped': 'DROP TABLE echoes',
  'a second statement': 'SELECT 1; DROP TABLE echoes',
  'a second statement behind a comment': 'SELECT 1 /* ; */; DROP TABLE echoes -- ',
  'an address': "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
  'a file that is read': "SELECT * FROM file('/etc/passwd', 'LineAsString')",
  'a bucket': "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV', 'a String')",
  'another server': "SELECT * FROM remote('127.0.0.1:1', system.one)",
  'a program': "SELECT * FROM executable('id', 'CSV', 'a String')",
  'a Python object': 'SELECT * FROM Python(x)',
  'a setting': 'SELECT 1 SETTINGS readonly = 0',
  'a setting for good': 'SET readonly = 0',
  'a table that is made': 'CREATE TABLE mine (a String) ENGINE = Memory',
  'rows that are deleted': 'ALTER TABLE echoes DELETE WHERE 1',
  'a database that is detached': 'DETACH DATABASE default',
  'the system': 'SYSTEM SHUTDOWN',
  'a file behind quotes in names': "SELECT 1 AS `a'`, file('/etc/hostname') AS `b'`",
  'an outfile behind quotes in names': "SELECT 1 AS `a'` INTO OUTFILE 'FILE' FORMAT TSV",
  'an outfile behind quotes in names, in place of what is there': "SELECT 'x' AS \"a'\" INTO OUTFILE 'FILE' TRUNCATE FORMAT TSV",
  'a database file of another kind': "SELECT * FROM sqlite('FILE', 't')",
}

export const clickhouseDoor: Attack = {
  name: 'statements that write, reach out or never end, by the ClickHouse port',
  async run(victim) {
    const broken: string[] = []
    const file = `${victim.directory}/written-from-outside.csv`
    const ask = (sql: string, options: RequestInit = {}, more = '') =>
      fetch(`${victim.clickhouse}/?query=${encodeURIComponent(sql.replaceAll('FILE', file))}${more}`, {
        signal: AbortSignal.timeout(30_000),
        ...options,
      })
    for (const [what, sql] of Object.entries(statements)) {
      for (const method of ['GET', 'POST'] as const) {
        for (const more of ['', '&readonly=0']) {
          const response = await ask(sql, { method }, more)
          const text = await response.text()
          if (response.ok) broken.push(`${what} (${method}${more}): ${response.status} ${text.slice(0, 100)}`)
        }
      }
    }
    if (existsSync(file)) broken.push(`${file} was written from outside`)
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const response = await ask('SELECT 1', { headers })
      if (response.status !== 403) broken.push(`${JSON.stringify(headers)}: ${response.status}`)
    }
    const endless = Array.from({ length: 4 }, () =>
      ask('SELECT count() FROM numbers(1e18)')
        .then((response) => response.text())
        .catch(() => ''),
    )
    await pause(500)
    const number = Math.floor(Math.random() * 1e9)
    const echo = await victim.post('echo', JSON.stringify({ label: 'saved', number }))
    const id = echo.headers.get('x-request-id') ?? ''
    let rows = '0'
    for (let attempt = 0; attempt < 60 && rows !== '1'; attempt++) {
      await pause(250)
      rows = (await (await ask(`SELECT count() FROM echoes WHERE request_id = '${id}'`)).text()).trim()
    }
    if (rows !== '1') broken.push(`a row was not saved while endless queries ran: ${rows}`)
    await Promise.all(endless)
    const large = await ask("SELECT repeat('x', 1000000) FROM numbers(2000)")
    await large.body?.cancel()
    return broken
  },
}
