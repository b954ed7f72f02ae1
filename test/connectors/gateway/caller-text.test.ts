import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { callerText } from '../../../connectors/gateway/http/caller-text.ts'

describe('An error text for a caller', () => {
  it('shows the name of a file instead of its path', () => {
    const texts = [
      ["ENOENT: no such file or directory, open '/home/user/app/models/a.onnx'", "ENOENT: no such file or directory, open '…/a.onnx'"],
      ['The model /usr/share/m/x.onnx failed: no', 'The model …/x.onnx failed: no'],
      ['file:///tmp/a/b.ts:3:4 is wrong', '…/b.ts:3:4 is wrong'],
      ['in /tmp/dir/, and in (/var/lib/waggle)', 'in …/dir, and in (…/waggle)'],
      ['command=/usr/bin/node --flag /opt/b', 'command=…/node --flag …/b'],
      ['C:\\Users\\me\\a.ts is wrong', '…/a.ts is wrong'],
    ] as const
    for (const [text, expected] of texts) assert.equal(callerText(text), expected)
  })

  it('shows no relative path, whether the file exists or not', () => {
    assert.equal(callerText('../data/mark cannot be written'), '…/mark cannot be written')
    assert.equal(callerText('See topology/graph.ts, a/b/nowhere.ts and text/vnd.abc'), 'See …/graph.ts, …/nowhere.ts and text/vnd.abc')
    const [there, nowhere] = ['../../../../etc/passwd', '../../../../etc/nowhere']
    assert.deepEqual([there, nowhere].map(callerText), ['…/passwd', '…/nowhere'])
  })

  it('shows no stack frame of JavaScript, Python or Java', () => {
    assert.equal(
      callerText('boom\n    at f (/tmp/x/y.ts:3:4)\n    at async Promise.all (index 0)\n    at new Promise (<anonymous>)\nlast'),
      'boom\nlast',
    )
    assert.equal(callerText('Traceback (most recent call last):\n  File "/usr/lib/a.py", line 3, in f\nValueError: no'), 'ValueError: no')
    assert.equal(callerText('no\n\tat a.b.C.d(C.java:12)\nCaused by: java.lang.Error'), 'no')
  })

  it('keeps routes, types, addresses and words with slashes', () => {
    for (const text of ['Ask for it later: GET /v1/requests/a.', 'image/jpeg', 'http://localhost:8080/tmp/a', 'and/or', 'looks at 12:30', '/teddy/x'])
      assert.equal(callerText(text), text)
  })

  it('is made in time proportional to its length', () => {
    for (const text of [`/tmp${'/a'.repeat(100_000)}`, '/'.repeat(200_000), 'at '.repeat(60_000), 'a/'.repeat(100_000), '.'.repeat(200_000)]) {
      const started = performance.now()
      callerText(text)
      assert.ok(performance.now() - started < 2000, text.slice(0, 10))
    }
  })
})
