import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { callerText } from '../../../../connectors/gateway/http/caller-text.ts'

describe('An error text for a caller', () => {
  it('shows the name of a file without its folders', () => {
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

  it('shows no folders of a relative path, whether or not the file exists', () => {
    assert.equal(callerText('../data/mark cannot be written'), '…/mark cannot be written')
    assert.equal(callerText('See topology/graph.ts, a/b/nowhere.ts and text/vnd.abc'), 'See …/graph.ts, …/nowhere.ts and text/vnd.abc')
    const [there, nowhere] = ['../../../../etc/passwd', '../../../../etc/nowhere']
    assert.deepEqual([there, nowhere].map(callerText), ['…/passwd', '…/nowhere'])
  })

  it('shows no folder with a space in its name, and no folder after a colon', () => {
    const texts = [
      ['Error:/home/me/a.ts', 'Error:…/a.ts'],
      ["ENOENT:'/home/my user/a b.ts'", "ENOENT:'…/a b.ts'"],
      ['cannot load /home/my user/big models/a.onnx: no', 'cannot load …/a.onnx: no'],
      ['cannot copy /home/my user/a to /tmp/b c/d', 'cannot copy …/a to …/d'],
      ['C:\\Program Files (x86)\\My App\\a.dll is wrong', '…/a.dll is wrong'],
      ['C:/Users/my user/a.ts', '…/a.ts'],
      ['\\\\server\\my share\\a.ts', '…/a.ts'],
      ['sqlite:///home/me/a.db and file://localhost/home/me/b', 'sqlite:…/a.db and …/b'],
      ['PATH=/usr/bin:/home/me/bin', 'PATH=…/bin:…/bin'],
      ['no ~/keys/a.pem, no /nowhere/models/a.onnx', 'no …/a.pem, no …/a.onnx'],
      ["can't read /home/me/a.ts: it's gone", "can't read …/a.ts: it's gone"],
      ['The model /usr/share/m/x.onnx takes no image/jpeg', 'The model …/x.onnx takes no image/jpeg'],
      ['open big models/cats/a.onnx', 'open big …/a.onnx'],
    ] as const
    for (const [text, expected] of texts) assert.equal(callerText(text), expected)
  })

  it('shows no folder of any path, regardless of the form of the path and the text around it', () => {
    const folder = fc.constantFrom(
      'hidden',
      'hidden one',
      'the hidden (x86)',
      'hidden.d',
      '.hidden',
      'a-hidden_1',
      'hidden+ü',
      'hidden  two',
      'hidden@1.2',
    )
    const file = fc.constantFrom('a.ts', 'model.onnx', 'file', 'a b.txt', 'Makefile', 'a.tar.gz')
    const root = fc.constantFrom(
      '/home/',
      '/var/',
      '/tmp/',
      '/app/',
      'file:///home/',
      'file://localhost/Users/',
      'file:/opt/',
      'unix:///run/',
      '~/',
      '../../',
      '../',
      '/usr//',
      '/home/../etc/',
    )
    const around = fc.constantFrom(
      ['', ''],
      ['cannot open ', ''],
      ['cannot open ', ': no such file or directory'],
      ['Error:', ' failed'],
      ["ENOENT: no such file, open '", "'"],
      ['"', '": no, see and/or'],
      ['`', '`'],
      ['(', ')'],
      ['path=', ', mode=r'],
      ['[Errno 2] No such file: ', '\nsecond line'],
      ['a|', '|b'],
      ['at 12:30 ', ' is no image/jpeg'],
    )
    fc.assert(
      fc.property(root, fc.array(folder, { minLength: 1, maxLength: 4 }), file, around, (start, folders, name, [before = '', after = '']) => {
        const shown = callerText(`${before}${start}${folders.join('/')}/${name}${after}`)
        assert.ok(!shown.includes('hidden'), shown)
        assert.ok(shown.startsWith(before) && shown.includes(name.split(' ')[0] ?? ''), shown)
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(
        fc.constantFrom('C:\\', 'd:\\', '\\\\server\\'),
        fc.array(folder, { minLength: 1, maxLength: 4 }),
        file,
        around,
        (start, folders, name, [before, after]) => {
          const shown = callerText(`${before}${start}${folders.join('\\')}\\${name}${after}`)
          assert.ok(!shown.includes('hidden'), shown)
        },
      ),
      { numRuns: 1000 },
    )
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
    for (const text of [
      'Ask for the outcome later: GET /v1/requests/a.',
      'GET /v1/topics/waggle.gateway/records, or /openapi.json',
      'image/jpeg',
      'http://localhost:8080/tmp/a',
      'see https://example.org/home/a.html, or http://[::1]:80/tmp/x.ts',
      'and/or',
      'looks at 12:30',
      '/teddy/x',
      'application/vnd.waggle.tensors+json is no text/plain',
      'docker.io/library/waggle',
      '3/4 of 1/2 km/h',
    ])
      assert.equal(callerText(text), text)
  })

  it('is cut, because a stranger may have written parts of it', () => {
    assert.equal(callerText('‘ '.repeat(1_000_000)), `${'‘ '.repeat(4096)}…`)
  })

  it('is made in time proportional to its length', () => {
    for (const text of [
      `/tmp${'/a'.repeat(100_000)}`,
      '/'.repeat(200_000),
      'at '.repeat(60_000),
      'a/'.repeat(100_000),
      '.'.repeat(200_000),
      'b/a '.repeat(50_000),
      "'a/".repeat(60_000),
      '/home/a '.repeat(25_000),
      'C:\\a b\\'.repeat(20_000),
    ]) {
      const started = performance.now()
      callerText(text)
      assert.ok(performance.now() - started < 2000, text.slice(0, 10))
    }
  })
})
