"""What comes in by itself: visitors of websites, journeys, chatbots, the inbox and forms, and the persons they make."""
