import { after } from 'node:test'

/**
 * `npm test` loads this module before each test file. A file that stays open long after its last test fails, so that the run ends. Otherwise a test
 * that loops after its timeout, a leaked socket or a leaked child process would keep the run alive for ever.
 */
const patienceMs = 60_000

if (process.env.NODE_TEST_CONTEXT === 'child-v8')
  after(() => {
    setTimeout(() => {
      process.stderr.write(`${process.argv[1]} is still open a minute after its last test, held by ${process.getActiveResourcesInfo().join(', ')}\n`)
      process.exit(1)
    }, patienceMs).unref()
  })
