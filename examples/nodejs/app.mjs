// The smallest Lambda function: greets whom the event names.
export const handler = async (event, context) => {
  console.log(`request ${context.awsRequestId}`);
  return { greeting: `Hello, ${event.name}!` };
};
