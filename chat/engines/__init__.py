"""The engines that answer: a model behind the Messages API, or rules. Same tools, same policy, same history."""
