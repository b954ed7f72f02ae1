import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { codeBlocks, pageSections } from '../support/page-steps.ts'

const page = `# Look

Write \`a.txt\`, with a line:

\`\`\`txt
one
\`\`\`

\`\`\`sh not-run: there is no cluster
kubectl get pods
\`\`\`

\`\`\`
NAME
\`\`\`

Within a moment:

\`\`\`sh
cat a.txt
\`\`\`

\`\`\`
one
\`\`\`

Press Ctrl-C
in the second terminal.
`

describe('The steps of a page', () => {
  it('are its files, commands and stops, without the blocks that are not run and their output', () => {
    assert.deepEqual(pageSections(page), [
      {
        title: 'Look',
        steps: [
          { kind: 'write', line: 5, file: 'a.txt', text: 'one\n' },
          { kind: 'run', line: 19, script: 'cat a.txt', shown: 'one', isEventual: true },
          { kind: 'stop', line: 27, terminal: 'second' },
        ],
      },
    ])
  })

  it('are refused if an output has no command, or a file no name', () => {
    assert.throws(() => pageSections('# A\n\n```\nout\n```\n'), /no command before this block prints it/)
    assert.throws(() => pageSections('# A\n\nWrite:\n\n```ts\n1\n```\n'), /does not end with a file’s name/)
  })

  it('have their blocks with the reason why one is not run', () => {
    assert.deepEqual(
      codeBlocks(page).map(({ language, notRun }) => [language, notRun]),
      [
        ['txt', null],
        ['sh', 'there is no cluster'],
        ['', null],
        ['sh', null],
        ['', null],
      ],
    )
  })
})
