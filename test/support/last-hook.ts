import { after } from 'node:test'

/**
 * `npm test` loads this module before each test file. A file that stays open long after its last test then fails, in place of a run that never ends:
 * a test that timed out may wait in a loop for ever, and a leaked socket or child process keeps the event loop alive.
 */
const patienceMs = 60_000

if (process.env.NODE_TEST_CONTEXT === 'child-v8')
  after(() => {
    setTimeout(() => {
      process.stderr.write(`${process.argv[1]} is still open a minute after its last test, held by ${process.getActiveResourcesInfo().join(', ')}\n`)
      process.exit(1)
    }, patienceMs).unref()
  })
