import { type FoundPython, pythonEnvironment } from '../python-environment.ts'

/** A Python with the packages of client.py, made once in a cache of the user; or the reason why it is not available. */
export function tritonPython(): FoundPython {
  return pythonEnvironment('tritonclient-2.73.0', [
    [
      '--only-binary=:all:',
      'tritonclient[http,grpc]==2.73.0',
      'grpcio==1.85.3',
      'grpcio-reflection==1.81.1',
      'grpcio-health-checking==1.81.1',
      'numpy>=2',
    ],
  ])
}
