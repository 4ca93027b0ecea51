// An ES module: top-level await, and packages of NODE_PATH.
import { createRequire } from 'node:module';

const started = await new Promise((resolve) => setTimeout(() => resolve('waited'), 5));

export const handler = async () => started;

export const where = async () => import.meta.url.split('/').pop();

export const layer = async () => (await import('from-a-layer')).default;

export const sdk = async () => {
  const { S3Client } = await import('@aws-sdk/client-s3');
  return typeof S3Client === 'function' && typeof createRequire(import.meta.url)('@aws-sdk/client-s3').S3Client;
};
