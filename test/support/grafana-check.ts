import { join } from 'node:path'
import { type FoundProgram, goProgram, prepare } from './go-program.ts'

/** A program that checks the files of dashboards against the schema of Grafana's Foundation SDK, which is generated from Grafana's sources. */
export function grafanaCheck(): FoundProgram {
  return goProgram({ name: 'grafana-check-0.0.22', sources: join(import.meta.dirname, 'grafana-check'), purpose: 'check of Grafana dashboards' })
}

if (import.meta.main) prepare(grafanaCheck())
