import type { ManagedCall } from '../../connectors/gateway/access/route-guard.ts'
import type { LogLine } from './log-line.ts'

/** Writes the line of the audit log for a call that manages something. */
export function auditLine(say: LogLine, { caller, method, path, status, requestId, isRefused }: ManagedCall): void {
  const fields = { request_id: requestId, ...(isRefused ? { refused: true as const } : {}) }
  say(auditModule, 'info', `${caller || 'anybody'} ${method} ${path} ${status}`, fields)
}

export const auditModule = 'audit'
