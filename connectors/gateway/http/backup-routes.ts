import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { BodyLimits } from './body-limits.ts'
import { jsonAnswer } from './described-route.ts'
import { writtenBackup } from './management-answers.ts'
import { sendJson } from './management-routes.ts'
import { ProblemError } from './problem.ts'
import { readJson } from './request-body.ts'

/** Backups of the data directory while the server runs. */
export interface Backups {
  /**
   * Copies the data into a directory of the server's machine. The directory must be new or empty. Throws WAGGLE_BACKUP_RUNNING, WAGGLE_BACKUP_PLACE,
   * WAGGLE_DISK_FULL and WAGGLE_FILE_UNUSABLE.
   */
  write(directory: string): Promise<{ readonly directory: string; readonly files: number; readonly bytes: number }>
}

/** The route for backups. The response is sent when the backup is complete and durable. */
export function backupRoutes(app: FastifyInstance, backups: Backups, bodies: BodyLimits): void {
  app.post(
    '/v1/backups',
    {
      config: { scope: 'manage', body: { consumes: ['application/json'], schema: newBackup } },
      schema: {
        tags: ['management'],
        summary: 'Copies the data into a new directory of the server ({directory})',
        response: jsonAnswer(writtenBackup, { status: 201, description: 'The backup is complete.' }),
      },
    },
    async (request, reply) => {
      const value = await readJson(request, reply, bodies)
      const { directory } = (value ?? {}) as { readonly directory?: unknown }
      if (typeof directory !== 'string' || !directory.startsWith('/') || directory.includes('\0') || directory.length > longestPath)
        throw new ProblemError('WAGGLE_BAD_REQUEST', 'The body is {"directory": ABSOLUTE PATH}')
      // A path may have any characters; quotes keep it on its line.
      request.target = JSON.stringify(directory)
      return sendJson(reply.code(201), await backups.write(directory))
    },
  )
}

const longestPath = 4096
const newBackup = Type.Object({ directory: Type.String({ pattern: '^/[^\\0]*$', maxLength: longestPath }) })
