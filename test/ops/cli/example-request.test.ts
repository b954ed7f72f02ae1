import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { exampleRequest } from '../../../ops/cli/example-request.ts'

describe('The printed example request', () => {
  let swarm: string
  beforeEach(() => {
    swarm = join(mkdtempSync(join(tmpdir(), 'waggle-example-')), "it's a swarm")
    mkdirSync(swarm)
  })
  afterEach(() => rmSync(dirname(swarm), { recursive: true }))

  function put(file: string, content: string): void {
    mkdirSync(dirname(join(swarm, file)), { recursive: true })
    writeFileSync(join(swarm, file), content)
  }

  function linesOf({ input = null, answers = true, needsToken = false }: { input?: unknown; answers?: boolean; needsToken?: boolean } = {}) {
    return exampleRequest(
      { name: 'door', url: 'http://127.0.0.1:8080', answers, input, needsToken },
      { swarm, written: join(swarm, 'data', 'examples') },
    )
  }

  /** The words into which a shell splits the line. */
  function words(line: string | undefined): readonly string[] {
    const { stdout } = spawnSync('sh', ['-c', `for word in ${line}; do printf '%s\\n' "$word"; done`], { encoding: 'utf8' })
    return stdout.trim().split('\n')
  }

  const json = 'content-type: application/json'
  const url = 'http://127.0.0.1:8080/v1/gateways/door/request'

  it('contains a short JSON example, and prefers the gateway’s own example', () => {
    put('examples/a.json', '{"name": "somebody"}\n')
    put('examples/door.json', '{"name": "it\'s me"}\n')
    put('examples/z.json', '{"name": "nobody"}\n')
    const lines = linesOf({ input: [0] })
    assert.deepEqual([lines.length, words(lines[0])], [1, ['curl', '-sS', '-H', json, '-d', '{"name": "it\'s me"}', url]])
  })

  it('sends a photo with its content type, from a folder with any name', () => {
    put('photos/teddy.webp', 'RIFF')
    put('photos/notes.md', 'no input')
    assert.deepEqual(words(linesOf()[0]), [
      'curl',
      '-sS',
      '-H',
      'content-type: image/webp',
      '--data-binary',
      `@${join(swarm, 'photos', 'teddy.webp')}`,
      url,
    ])
  })

  it('sends the token of WAGGLE_TOKEN if callers need a token', () => {
    assert.match(linesOf({ input: 1, needsToken: true })[0] ?? '', /-H "authorization: Bearer \$WAGGLE_TOKEN" /)
  })

  it('prefers an input that a bee accepts to a photo', () => {
    put('photos/teddy.webp', 'RIFF')
    assert.deepEqual(words(linesOf({ input: [[0, 0]] })[0]), ['curl', '-sS', '-H', json, '-d', '[[0,0]]', url])
  })

  it('sends a long input from a file', () => {
    const input = Array.from({ length: 1000 }, () => 0)
    const [, , , header, option, body = ''] = words(linesOf({ input })[0])
    assert.deepEqual([header, option], [json, '--data-binary'])
    assert.deepEqual(JSON.parse(readFileSync(body.slice(1), 'utf8')), input)
  })

  it('sends {} if there is no example, and names the folder for examples', () => {
    const [line, hint] = linesOf()
    assert.deepEqual(words(line), ['curl', '-sS', '-H', json, '-d', '{}', url])
    assert.ok(hint?.includes(join(swarm, 'examples')))
  })

  it('submits a request if no bee answers', () => {
    assert.equal(words(linesOf({ answers: false })[0]).at(-1), 'http://127.0.0.1:8080/v1/gateways/door/submit')
  })
})
