import { writeSync } from 'node:fs'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { failurePolicy } from '../../processor/task/failures.ts'
import { countOf, everythingOf, topicsOf } from './counting-program.ts'
import { KafkaApplication } from './kafka-application.ts'

/** A process that counts, and that tests kill. It reports its progress in JSON lines, until its standard input ends. */
const { brokers, applicationId, input, stateDir, processing, standbyReplicas, program } = JSON.parse(process.argv[2] ?? '{}')

const quick = { sessionTimeoutMs: 1500, transactionTimeoutMs: 2000 }
const running = await KafkaApplication.make({
  cluster: { brokers },
  applicationId,
  topology: program === 'everything' ? everythingOf(input) : countOf(input),
  stateDir,
  processing,
  kafka: program === 'everything' ? { sessionTimeoutMs: 6000, transactionTimeoutMs: 10_000, heartbeatIntervalMs: 500 } : quick,
  application: {
    ...(program === 'everything'
      ? { failures: failurePolicy({ deserializationHandler: () => 'resume', deadLetterTopic: topicsOf(input).letters }) }
      : {}),
    spread: { settings: { standbyReplicas, acceptableRecoveryLag: 100 } },
  },
})
const { application } = running
application.onStateChange(() => say())
await application.start()

process.stdin.on('end', () => void running.close().then(() => process.exit(0))).resume()
repeat()

function repeat(): void {
  say()
  systemClock.after(50, repeat)
}

function say(): void {
  const { state, restoredRecords, standbys } = application
  const tasks = application.threads.tasks.map(({ id }) => id).sort()
  const failures = running.failures.map(({ code, message }) => `${code} ${message}`)
  writeSync(1, `${JSON.stringify({ state, restoredRecords, tasks, standbys, failures })}\n`)
}
